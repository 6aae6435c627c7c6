"""The commands. Checking one needs no state; deciding it does (``rules``)."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from foundation.text import Malformed, line
from inventory import isbn as identifiers
from inventory.patrons import PatronCommand

MOST_COPIES = 1_000_000
REASONS = ("lost", "damaged", "sold", "miscount")


class _Command(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True):
    isbn: str


class AddBook(_Command, frozen=True, tag=True):
    """Bring a title into the inventory."""

    title: str
    author: str = ""
    quantity: int = 1


class BorrowBook(_Command, frozen=True, tag=True):
    """Lend a copy."""

    user_id: str


class ReturnBook(_Command, frozen=True, tag=True):
    """Take a copy back; without ``user_id`` the only open loan is meant."""

    user_id: str | None = None


class RemoveBook(_Command, frozen=True, tag=True):
    """Take a title out of the inventory."""


class AddCopies(_Command, frozen=True, tag=True):
    """More copies of a title."""

    quantity: int


class WithdrawCopies(_Command, frozen=True, tag=True):
    """Take copies off the shelf for a ``reason``; with ``user_id``, the copy that borrower lost."""

    quantity: int
    reason: str
    user_id: str | None = None


class RenewLoan(_Command, frozen=True, tag=True):
    """Give a loan a new due date."""

    user_id: str


class CorrectDetails(_Command, frozen=True, tag=True):
    """Correct title or author; None leaves it as it is."""

    title: str | None = None
    author: str | None = None


Command: TypeAlias = (
    AddBook | RemoveBook | CorrectDetails
    | AddCopies | WithdrawCopies
    | BorrowBook | ReturnBook | RenewLoan
)  # fmt: skip

AnyCommand: TypeAlias = Command | PatronCommand
"""About a title, or about a borrower."""
_JSON = msgspec.json.Decoder(AnyCommand)


def from_json(body: bytes) -> AnyCommand:
    """A checked command from ``{"type": "BorrowBook", …}``. Raises Malformed."""
    try:
        command = _JSON.decode(body)
        return checked_patron(command) if isinstance(command, PatronCommand) else checked(command)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("body", f"not a command: {error}") from error


def checked(command: Command) -> Command:
    """The command with its ISBN as EAN-13 and its texts trimmed. Raises Malformed."""
    kind = type(command)
    values: list[Any] = [
        None if value is None else check(value)
        for check, value in zip(_checks(kind), astuple(command), strict=True)
    ]
    if kind is CorrectDetails or kind is WithdrawCopies:
        _require_sense(command)
    return kind(*values)


def checked_patron(command: PatronCommand) -> PatronCommand:
    """The command with its user id trimmed. Raises Malformed."""
    return replace(command, user_id=FIELDS["user_id"].check(command.user_id))


def _require_sense(command: Command) -> None:
    """The conditions that several fields must meet together."""
    if isinstance(command, CorrectDetails) and command.title is None and command.author is None:
        raise Malformed("title", "nothing to correct: give a title, an author, or both")
    if isinstance(command, WithdrawCopies) and command.user_id is not None:
        if command.reason != "lost":
            raise Malformed("user_id", "a borrower is named only for a lost copy: return others first")
        if command.quantity != 1:
            raise Malformed("quantity", "a borrower has one copy of a title: quantity must be 1")


def _quantity(value: int) -> int:
    if not 1 <= value <= MOST_COPIES:
        raise Malformed("quantity", f"the quantity is 1 to {MOST_COPIES}, not {_shortened(value)}")
    return value


def _shortened(value: int) -> str:
    return str(value) if abs(value) < 10**18 else "a number of that size"


def _reason(value: str) -> str:
    if value not in REASONS:
        raise Malformed("reason", f"the reason is one of {', '.join(REASONS)}, not {value[:40]!r}")
    return value


class Field(NamedTuple):
    """The values that the field of that name accepts, in every command."""

    check: Callable[[Any], Any]
    """Returns the value as it is recorded. Raises Malformed."""
    limits: dict[str, Any]
    """The same in JSON Schema, for the gateway's OpenAPI document."""


def _text(name: str, longest: int, *, empty: bool = False, visible: bool = False) -> Field:
    """A line of at most ``longest`` characters."""

    def check(text: str) -> str:
        return line(name, text, longest, empty=empty, visible=visible)

    return Field(check, {"maxLength": longest} | ({} if empty else {"minLength": 1}))


FIELDS: dict[str, Field] = {
    "isbn": Field(
        identifiers.parse,
        {
            "description": "ISBN-10, ISBN-13 or another EAN-13, with or without hyphens.",
            "maxLength": identifiers.LONGEST,
        },
    ),
    "title": _text("title", 1_000),
    "author": _text("author", 1_000, empty=True),
    "user_id": _text("user_id", 200, visible=True),
    "quantity": Field(_quantity, {"minimum": 1, "maximum": MOST_COPIES}),
    "reason": Field(_reason, {"enum": list(REASONS)}),
}
"""The fields of the commands, by name."""


@cache
def _checks(kind: type[Command]) -> tuple[Callable[[Any], Any], ...]:
    return tuple(FIELDS[name].check for name in kind.__struct_fields__)
