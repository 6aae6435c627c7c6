"""From a command line to an answer: the flags that every command has, and how outcomes are told."""

import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, assert_never

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from eventstore.state.outcomes import Accepted, Outcome, Receipt
    from foundation.settings import Settings
    from inventory.commands import Command

Function = TypeVar("Function", bound=Callable[..., Any])


class SubmitOptions(NamedTuple):
    """How to carry a command out. ``retry``: its caller gave the id, so it may have been sent before."""

    command_id: str
    retry: bool
    as_json: bool
    wait: bool


def command_options(command: Function) -> Function:
    """Give a command its flags; it gets ``settings`` and ``asked``."""

    @functools.wraps(command)
    def asking(*args: Any, command_id: str | None, as_json: bool, wait: bool, **more: Any) -> Any:
        made = os.urandom(16).hex() if command_id is None else command_id
        return command(*args, asked=SubmitOptions(made, command_id is not None, as_json, wait), **more)

    decorated: Any = asking
    for option in reversed(
        (
            click.option("--command-id", metavar="ID", help="Makes a retry safe: one id has one effect."),
            click.option("--json", "as_json", is_flag=True, help="The receipt as one line of JSON."),
            click.option("--wait", is_flag=True, help="Return when the query API shows the change."),
            with_settings("kafka", "name", "gateway", "api", "data_dir", "deadline"),
        )
    ):
        decorated = option(decorated)
    result: Function = decorated
    return result


def carry_out(settings: "Settings", command: "Command", asked: SubmitOptions) -> int:
    """Check, submit, tell the outcome. Ends the command with a sentence when it is not accepted."""
    return told(settings, outcome_of(settings, command, asked), asked)


def outcome_of(settings: "Settings", command: "Command", asked: SubmitOptions) -> "Outcome":
    """Check the command and submit it. A malformed one ends here, before anything was connected."""
    from eventstore.state.outcomes import submit
    from inventory.commands import checked
    from inventory.texts import Malformed

    try:
        submitted = submit(asked.command_id, checked(command))
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    from producer.client import execute

    return execute(settings, submitted)


def told(settings: "Settings", outcome: "Outcome", asked: SubmitOptions) -> int:
    """Print the receipt, and wait for it to be visible where that was asked for."""
    from eventstore.state.outcomes import Accepted, OutcomeUnknown, Refused, Reused, Unwritable

    match outcome:
        case Accepted():
            _print(outcome, asked)
            if asked.wait:
                _wait(settings, outcome.receipt)
            return exits.DONE
        case Refused():
            raise CommandError(exits.REFUSED, outcome.rejection.message)
        case Reused():
            raise CommandError(
                exits.REFUSED,
                f"the id {outcome.command_id!r} belongs to another command on this title: use a new one",
            )
        case Unwritable():
            raise CommandError(exits.FAILED, outcome.reason)
        case OutcomeUnknown():
            raise _unknown(settings, outcome.reason, outcome.sent or asked.retry, asked.command_id)
        case _:
            assert_never(outcome)


def _unknown(settings: "Settings", reason: str, may_be_done: bool, command_id: str) -> CommandError:
    if may_be_done:
        return CommandError(
            exits.UNKNOWN,
            f"it is not known whether this was done ({reason}); repeat it with --command-id {command_id}, "
            "which has no second effect",
        )
    return CommandError(
        exits.UNAVAILABLE,
        f"nothing was done: Kafka at {settings.kafka} can't be used ({reason}); `library up` starts a system "
        "on this machine, --kafka HOST:PORT names another Kafka",
    )


def _print(accepted: "Accepted", asked: SubmitOptions) -> None:
    receipt = accepted.receipt
    if accepted.replayed:
        click.echo("this command was done before; nothing was done again", err=True)
    if asked.as_json:
        import msgspec

        click.echo(msgspec.json.encode(receipt))
        return
    isbn = receipt.isbn
    if sys.stdout.isatty():
        from inventory.isbn import display

        isbn = display(isbn)
    place = f"(position {receipt.position}, command id {receipt.command_id})"
    for event in receipt.events:
        click.echo(f"{isbn} version {event.version}: {_WORDS[event.type]} {place}")
    if not receipt.events:
        click.echo(f"{isbn} unchanged: it is as you want it already {place}")


_WORDS = {
    "BookAdded": "added",
    "BookBorrowed": "borrowed",
    "BookReturned": "returned",
    "BookRemoved": "removed",
    "CopiesAdded": "copies added",
    "CopiesWithdrawn": "copies withdrawn",
    "LoanRenewed": "loan renewed",
    "DetailsCorrected": "details corrected",
}


def _wait(settings: "Settings", receipt: "Receipt") -> None:
    """Return when the query API has come to the receipt's position."""
    from foundation.http.client import NoAnswer, Service

    parameters = {"after": receipt.position, "timeout": f"{settings.deadline:g}"}
    try:
        # The service keeps the time; ours is only for one that has stopped
        with Service(settings.api, settings.deadline + 5) as service:
            answer = service.get(("inventory", receipt.isbn), parameters)
    except NoAnswer as error:
        raise CommandError(exits.UNAVAILABLE, f"done, but it can't be read yet: {error}") from error
    if answer.status not in (200, 404, 410):
        raise CommandError(exits.UNAVAILABLE, f"done, but it can't be read yet: {answer.detail}")
