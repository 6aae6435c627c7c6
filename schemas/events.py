"""The events of a title. Released ones never change. Times are milliseconds since 1970, UTC."""

from typing import TypeAlias, get_args

from msgspec import Struct


class BookAdded(Struct, frozen=True):
    """A title came into the inventory with ``quantity`` copies."""

    isbn: str
    title: str
    author: str
    quantity: int
    timestamp: int


class BookBorrowed(Struct, frozen=True):
    """A copy was lent to ``user_id`` until ``due_at``."""

    isbn: str
    user_id: str
    timestamp: int
    due_at: int


class BookReturned(Struct, frozen=True):
    """The copy lent to ``user_id`` came back."""

    isbn: str
    user_id: str
    timestamp: int


class BookRemoved(Struct, frozen=True):
    """The title left the inventory."""

    isbn: str
    timestamp: int


class CopiesAdded(Struct, frozen=True):
    """The title got ``quantity`` more copies."""

    isbn: str
    quantity: int
    timestamp: int


class CopiesWithdrawn(Struct, frozen=True):
    """``quantity`` copies were withdrawn: from the shelf, or the one that ``user_id`` lost."""

    isbn: str
    quantity: int
    reason: str
    timestamp: int
    user_id: str | None = None


class LoanRenewed(Struct, frozen=True):
    """The loan of ``user_id`` is now due at ``due_at``."""

    isbn: str
    user_id: str
    timestamp: int
    due_at: int


class DetailsCorrected(Struct, frozen=True):
    """The title and the author were corrected."""

    isbn: str
    title: str
    author: str
    timestamp: int


Event: TypeAlias = (
    BookAdded
    | BookBorrowed
    | BookReturned
    | BookRemoved
    | CopiesAdded
    | CopiesWithdrawn
    | LoanRenewed
    | DetailsCorrected
)

TYPES: tuple[type[Event], ...] = get_args(Event)
"""The struct of each event."""
