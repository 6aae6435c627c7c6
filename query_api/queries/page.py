"""A page of titles: its filters, its order, and the start of the next page."""

from typing import NamedTuple

from msgspec import Struct

from query_api.queries.cursors import Number


class TitleFilters(Struct, frozen=True):
    """Which titles, in which order. ``sort`` is a column, with ``-`` before it for the reverse order."""

    q: str | None = None
    available: bool | None = None
    sort: str = "isbn"
    at: int | None = None
    author: str | None = None
    held: bool | None = None

    @property
    def column(self) -> str:
        """The column to sort by."""
        return self.sort.lstrip("-")

    @property
    def descending(self) -> bool:
        """Whether the order is reversed."""
        return self.sort.startswith("-")


class TitleKey(NamedTuple):
    """An item's place in the order."""

    value: str | Number
    isbn: Number


class TitlePage(NamedTuple):
    """The items' JSON, and the key that the next page starts after; None on the last page."""

    bodies: list[bytes]
    following: TitleKey | None
