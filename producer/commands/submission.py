"""Submits a command from the command line and reports its outcome; the flags that all commands share."""

import functools
import os
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, assert_never

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from eventstore.state.outcomes import Accepted, Outcome
    from foundation.settings import Settings
    from inventory.commands import Command

Function = TypeVar("Function", bound=Callable[..., Any])

API_WAIT_S = 30.0
"""For which one request to the query API may wait."""
API_PATIENCE_S = 5.0
"""Added to the time that the query API may wait: our own time-out is only for one that hangs."""


class SubmitOptions(NamedTuple):
    """How to submit a command. ``retry``: the caller chose the id, and may have sent the command before."""

    command_id: str
    retry: bool
    as_json: bool
    wait: bool


def command_options(command: Function) -> Function:
    """Give a command the shared flags; it gets them as ``settings`` and ``options``."""

    @functools.wraps(command)
    def with_options(*args: Any, command_id: str | None, as_json: bool, wait: bool, **more: Any) -> Any:
        chosen = os.urandom(16).hex() if command_id is None else command_id
        options = SubmitOptions(chosen, command_id is not None, as_json, wait)
        return command(*args, options=options, **more)

    decorated: Any = with_options
    for option in reversed(
        (
            click.option("--command-id", metavar="ID", help="Makes a retry safe: one id has one effect."),
            click.option("--json", "as_json", is_flag=True, help="Print the receipt as one line of JSON."),
            click.option("--wait", is_flag=True, help="Return when the query API shows the change."),
            with_settings("actor", "kafka", "name", "gateway", "api", "data_dir", "deadline"),
        )
    ):
        decorated = option(decorated)
    result: Function = decorated
    return result


def carry_out(settings: "Settings", command: "Command", options: SubmitOptions) -> int:
    """Check and submit the command, then report its outcome. Raises CommandError if it is not accepted."""
    return report(settings, submit_checked(settings, command, options), options)


def submit_checked(settings: "Settings", command: "Command", options: SubmitOptions) -> "Outcome":
    """Check the command and submit it. Raises CommandError for a malformed one, before it connects."""
    from foundation.text import Malformed
    from inventory.commands import checked
    from producer.client import execute

    try:
        return execute(settings, options.command_id, checked(command))
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error


def report(settings: "Settings", outcome: "Outcome", options: SubmitOptions) -> int:
    """Print the receipt, and with ``--wait`` return when the query API shows the change.

    Raises CommandError for every outcome but Accepted.
    """
    from eventstore.state.outcomes import Accepted, OutcomeUnknown, Refused, Reused, Unwritable

    match outcome:
        case Accepted():
            try:
                _print(outcome, options)
                sys.stdout.flush()
            except OSError as error:
                raise CommandError(
                    exits.FAILED,
                    f"done, but the receipt can't be printed ({error.strerror}); repeat it with --command-id "
                    f"{options.command_id} to see it: that has no second effect",
                ) from error
            if options.wait:
                wait_until_visible(settings, ("inventory", outcome.receipt.stream), outcome.receipt.position)
            return exits.DONE
        case Refused():
            raise CommandError(exits.REFUSED, outcome.rejection.message, outcome.rejection.code)
        case Reused():
            raise CommandError(
                exits.REFUSED,
                f"the id {outcome.command_id!r} belongs to another command on this title: use a new one",
                "reused_id",
            )
        case Unwritable():
            raise CommandError(exits.FAILED, outcome.reason)
        case OutcomeUnknown():
            raise _unknown(settings, outcome.reason, outcome.sent or options.retry, options.command_id)
        case _:
            assert_never(outcome)


def event_words(event_type: str) -> str:
    """An event's type in words: ``CopiesAdded`` is "copies added", ``BookAdded`` is "added".

    Derived from the name: a receipt may hold an event that this release does not know.
    """
    return re.sub(r"(?<=.)(?=[A-Z])", " ", event_type.removeprefix("Book")).lower()


def _unknown(settings: "Settings", reason: str, may_be_done: bool, command_id: str) -> CommandError:
    if may_be_done:
        return CommandError(
            exits.UNKNOWN,
            f"it is unknown whether this was done ({reason}); repeat it with --command-id {command_id}, "
            "which has no second effect",
        )
    return CommandError(
        exits.UNAVAILABLE,
        f"nothing was done: Kafka at {settings.kafka} can't be used ({reason}); `library up` starts a system "
        "on this machine, --kafka HOST:PORT names another Kafka",
    )


def _print(accepted: "Accepted", options: SubmitOptions) -> None:
    receipt = accepted.receipt
    if accepted.replayed:
        click.echo("this command was done before; nothing was done again", err=True)
    if options.as_json:
        import msgspec

        from producer.receipt import ReceiptDocument

        click.echo(msgspec.json.encode(ReceiptDocument.of(receipt)))
        return
    isbn = receipt.stream
    if sys.stdout.isatty():
        from inventory.isbn import display

        isbn = display(isbn)
    by = f", by {receipt.actor}" if receipt.actor else ""
    where = f"(position {receipt.position}, command id {receipt.command_id}{by})"
    for event in receipt.events:
        click.echo(f"{isbn} version {event.version}: {event_words(event.type)} {where}")
    if not receipt.events:
        click.echo(f"{isbn} unchanged: it is as you want it already {where}")


def wait_until_visible(settings: "Settings", path: tuple[str, ...], positions: str) -> None:
    """Return when the query API answers ``path`` as of ``positions``. Raises CommandError if it does not.

    A longer deadline than one request may wait for is spent in several requests.
    """
    from foundation.http.client import NoAnswer, Service

    give_up_at = time.monotonic() + settings.deadline
    try:
        with Service(settings.api, min(settings.deadline, API_WAIT_S) + API_PATIENCE_S) as service:
            while True:
                wait_s = min(max(give_up_at - time.monotonic(), 0.0), API_WAIT_S)
                response = service.get(path, {"after": positions, "timeout": f"{wait_s:.3f}"})
                if response.code != "not_there_yet" or time.monotonic() >= give_up_at:
                    break
    except NoAnswer as error:
        raise CommandError(exits.UNAVAILABLE, f"done, but it can't be read yet: {error}") from error
    if response.status not in (200, 404, 410):
        raise CommandError(exits.UNAVAILABLE, f"done, but it can't be read yet: {response.detail}")
