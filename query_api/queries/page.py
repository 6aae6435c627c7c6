"""A page of titles: which ones, in which order, and where the next one begins."""

from typing import NamedTuple

from msgspec import Struct

from query_api.queries.cursors import Number


class Filters(Struct, frozen=True):
    """Which titles, in which order; ``sort`` is one of them as the route names it."""

    q: str | None = None
    available: bool | None = None
    sort: str = "isbn"
    at: int | None = None

    @property
    def column(self) -> str:
        """What is sorted by."""
        return self.sort.lstrip("-")

    @property
    def downwards(self) -> bool:
        """Whether the last comes first."""
        return self.sort.startswith("-")


class Key(NamedTuple):
    """Where an item stands in the order."""

    value: str | Number
    isbn: Number


class Found(NamedTuple):
    """A page: the items' JSON, and where the next page begins, if there is one."""

    bodies: list[bytes]
    following: Key | None
