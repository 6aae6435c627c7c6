"""What the routes answer with, as JSON and in the OpenAPI document."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.row import InventoryRow
from schemas.times import rfc3339

Isbn = Annotated[str, Meta(pattern=r"^\d{13}$", description="EAN-13 without hyphens.")]
Count = Annotated[int, Meta(ge=0)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, UTC.")]


class Held(Struct, frozen=True):
    """The event that could not be applied; the title stays as it was before it."""

    version: int
    offset: int
    reason: str


class Title(Struct, frozen=True):
    """A title as of ``version``: ``quantity`` copies owned, ``available`` on the shelf."""

    isbn: Isbn
    title: str
    author: str
    quantity: Count
    available: Count
    on_loan: Count
    version: Count
    updated_at: Time
    held: Held | UnsetType = UNSET


class Titles(Struct, frozen=True):
    """A page of the inventory; ``next_cursor`` is null on the last."""

    items: list[Title]
    next_cursor: str | None


class Happened(Struct, frozen=True):
    """An event of a title. ``data`` holds what else it says; ``error`` why it can't be read."""

    version: int
    type: str
    time: Time
    command_id: str
    position: str
    data: dict[str, Any]
    error: str | UnsetType = UNSET


class History(Struct, frozen=True):
    """A page of a title's events, first to last."""

    isbn: Isbn
    items: list[Happened]
    next_cursor: str | None


class Loan(Struct, frozen=True):
    """A copy that is on loan."""

    isbn: Isbn
    title: str
    user_id: str
    borrowed_at: Time
    due_at: Time
    overdue: bool


class Loans(Struct, frozen=True):
    """A page of open loans, the first due first."""

    items: list[Loan]
    next_cursor: str | None


_encode = msgspec.json.Encoder().encode


def title_of(row: InventoryRow) -> Title:
    """The row as it is answered."""
    held = UNSET if row.held is None else Held(row.held.version, row.held.offset, row.held.reason)
    return Title(
        row.isbn, row.title, row.author, row.quantity, row.available, row.quantity - row.available,
        row.version, rfc3339(row.updated_at), held,
    )  # fmt: skip


def json_of(answer: Struct) -> bytes:
    """The answer's JSON."""
    return _encode(answer)


def page_of(bodies: list[bytes], next_cursor: str | None) -> bytes:
    """The JSON of a page from its items' JSON."""
    return b'{"items":[' + b",".join(bodies) + b'],"next_cursor":' + _encode(next_cursor) + b"}"
