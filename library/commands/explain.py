"""``library explain``: a title's events one after the other, with the states around them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.numbers import IntegerRange
from foundation.cli.tables import Column, Fit
from library.commands.queries import PAGE_SIZE, checked_field, data_line, pages

if TYPE_CHECKING:
    from foundation.http.client import Service
    from foundation.settings import Settings
    from inventory.commands import Command
    from inventory.rules import Title
    from schemas.events import Event

EVENT_COLUMNS = (
    Column("version"),
    Column("time"),
    Column("event", Fit.WRAPPED),
    Column("before", Fit.WRAPPED),
    Column("after", Fit.WRAPPED),
    Column("actor", Fit.TEXT, drop=1),
    Column("command_id", drop=2),
    Column("command_digest", drop=3),
    Column("position", drop=4),
)
COMMAND_COLUMNS = (
    Column("command", Fit.WRAPPED),
    Column("outcome", drop=2),
    Column("code", drop=1),
    Column("reason", Fit.WRAPPED),
)
SOMEBODY = "somebody"
"""A borrower in the commands that are tried."""


@click.command()
@click.argument("isbn")
@click.option(
    "--version", type=IntegerRange(1, 2**63 - 1), metavar="N", help="Only the event that made version N."
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines: the events, then the commands.")
@with_settings("api", "data_dir", "deadline")
def explain(settings: "Settings", isbn: str, version: int | None, as_json: bool) -> None:
    """Show each event of a title with the state before and after it, and its command.

    Then each command that the title would refuse now, and why. With --version N that is shown only if N is
    the last version.
    """
    from zoneinfo import ZoneInfo

    from foundation.cli.tables import print_rows
    from foundation.http.client import NoAnswer, Service

    number = checked_field("isbn", isbn) or ""
    zone = ZoneInfo(settings.timezone)
    steps = _Steps(number, version)
    try:
        with Service(settings.api, settings.deadline) as service:
            found = steps.of(service)
            print_rows(EVENT_COLUMNS, found if as_json else map(_event_line, found), as_json, zone=zone)
    except NoAnswer as error:
        raise CommandError(
            exits.UNAVAILABLE,
            f"{error}: `library up` starts a system on this machine, --api URL names another",
        ) from error
    if version is not None and steps.last < version:
        raise CommandError(exits.NOT_FOUND, f"{number} has no version {version} yet", "no_such_version")
    if version is None or steps.last == version:
        refused = [
            {name: steps.named(text) for name, text in refusal.items()}
            for refusal in refusals(settings, number, steps.state)
        ]
        if not as_json:
            click.echo()
        print_rows(COMMAND_COLUMNS, refused, as_json, zone=zone, nothing="no command would be refused now")


class _Steps:
    """The events of a title, folded as they are read. ``state`` is None after one that can't be read."""

    def __init__(self, isbn: str, version: int | None) -> None:
        from inventory.rules import UNKNOWN

        self._isbn, self._version = isbn, version
        self.state: Title | None = UNKNOWN
        self.last = 0
        self._names: dict[str, str] = {}
        """The borrowers' names, by the tokens that states have; without those who were forgotten."""

    def of(self, service: "Service") -> Iterator[dict[str, Any]]:
        """Each event that is to be shown, with the states around it."""
        path = ("inventory", self._isbn, "history")
        for item in pages(service, path, {"limit": str(PAGE_SIZE)}):
            if (token := item["data"].get("patron")) and (name := item["data"]["user_id"]):
                self._names[token] = name
            before, self.last = self.state, item["version"]
            self.state = state_after(before, self._isbn, item)
            if self._version in (None, self.last):
                yield {
                    **item,
                    "before": state_document(before, self._names),
                    "after": state_document(self.state, self._names),
                }

    def named(self, text: str) -> str:
        """A text with names in place of tokens."""
        for token, name in self._names.items():
            text = text.replace(token, name)
        return text


def state_after(state: "Title | None", isbn: str, item: dict[str, Any]) -> "Title | None":
    """The state after an event of the history; None if it, or one before it, can't be read."""
    from inventory.rules import evolve

    return None if state is None or "error" in item else evolve(state, event_from(isbn, item))


def event_from(isbn: str, item: dict[str, Any]) -> "Event":
    """The event that an item of a title's history shows."""
    import msgspec

    from schemas.event_json import time_fields
    from schemas.events import TYPES
    from schemas.times import parse_time

    kind = next(one for one in TYPES if one.__name__ == item["type"])
    times = time_fields(item["type"])
    data = dict(item["data"])
    if (token := data.pop("patron", None)) is not None:
        # A name may be gone, and two borrowers who were forgotten are still two
        data["user_id"] = token
    fields = {name: parse_time(value) if name in times else value for name, value in data.items()}
    return msgspec.convert({**fields, "isbn": isbn, "timestamp": parse_time(item["time"])}, kind)


def state_document(state: "Title | None", names: Mapping[str, str]) -> dict[str, Any] | None:
    """A state as decisions need it, with the due dates of its loans by borrower; ``names`` by token."""
    from schemas.times import rfc3339

    if state is None:
        return None
    return {
        "present": state.present,
        "removed": state.removed,
        "title": state.title,
        "author": state.author,
        "quantity": state.quantity,
        "available": state.available,
        "loans": {names.get(user, user): rfc3339(due) for user, due in state.loans.items()},
    }


def refusals(settings: "Settings", isbn: str, state: "Title | None") -> Iterator[dict[str, Any]]:
    """The commands that would be refused now, each with the code and the sentence of the refusal."""
    import time

    from inventory.domain import library
    from inventory.rules import Rejection

    if state is None:
        yield {
            "command": "every command",
            "outcome": "refused",
            "code": "unreadable_event",
            "reason": "an event of this title can't be read: upgrade, or run `library doctor`",
        }
        return
    decide, at = library(settings.loan_days, settings.timezone).decide, int(time.time() * 1000)
    for words, command in commands_to_try(isbn, state):
        decision = decide(state, command, at)
        if isinstance(decision, Rejection):
            yield {
                "command": words,
                "outcome": "refused",
                "code": decision.code,
                "reason": decision.message,
            }


def commands_to_try(isbn: str, state: "Title") -> Iterator[tuple[str, "Command"]]:
    """Commands of every type on this title, in the words of the command line.

    Where a borrower matters: one with a loan, and one without.
    """
    from inventory.commands import (
        MOST_COPIES,
        AddBook,
        AddCopies,
        BorrowBook,
        CorrectDetails,
        RemoveBook,
        RenewLoan,
        ReturnBook,
        WithdrawCopies,
    )

    stranger = SOMEBODY
    while stranger in state.loans:
        stranger += "-else"
    other_title = "Another title" if state.title != "Another title" else "A title"
    yield f"add {isbn} {other_title!r}", AddBook(isbn, other_title)
    yield f"correct {isbn} --title {other_title!r}", CorrectDetails(isbn, other_title)
    yield f"copies add {isbn} 1", AddCopies(isbn, 1)
    yield f"copies withdraw {isbn} 1 --reason damaged", WithdrawCopies(isbn, 1, "damaged")
    if 0 < state.available < MOST_COPIES:
        more = state.available + 1
        yield f"copies withdraw {isbn} {more} --reason damaged", WithdrawCopies(isbn, more, "damaged")
    yield f"return {isbn}", ReturnBook(isbn)
    yield f"remove {isbn}", RemoveBook(isbn)
    for user in (*list(state.loans)[:1], stranger):
        yield f"borrow {isbn} {user}", BorrowBook(isbn, user)
        yield f"return {isbn} {user}", ReturnBook(isbn, user)
        yield f"renew {isbn} {user}", RenewLoan(isbn, user)
        yield (
            f"copies withdraw {isbn} 1 --reason lost --user {user}",
            WithdrawCopies(isbn, 1, "lost", user),
        )


def _event_line(step: dict[str, Any]) -> dict[str, Any]:
    data = data_line(step["data"])
    return {
        **step,
        "event": f"{step['type']} {data}".rstrip() + (f" ({step['error']})" if "error" in step else ""),
        "before": _state_line(step["before"]),
        "after": _state_line(step["after"]),
    }


def _state_line(state: dict[str, Any] | None) -> str:
    if state is None:
        return "unknown"
    if not state["present"]:
        return "removed" if state["removed"] else "not in the inventory"
    by = f" by {state['author']!r}" if state["author"] else ""
    loans = "".join(f"; {user} until {due}" for user, due in state["loans"].items())
    return f"{state['title']!r}{by}, {state['available']} of {state['quantity']} on the shelf{loans}"
