"""A page of titles: its filters, its order, and the start of the next page."""

from typing import Literal, NamedTuple, get_args

from msgspec import Struct

from query_api.queries.cursors import Number

Sort = Literal["isbn", "-isbn", "title", "-title", "author", "-author", "updated_at", "-updated_at"]
"""A column, with ``-`` before it for the reverse order."""
SORTS: tuple[str, ...] = get_args(Sort)


class TitleFilters(Struct, frozen=True):
    """Which titles, in which order. ``sort`` is a ``Sort``."""

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
