"""Walks through stored events in the order of an index, in bounded steps."""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from query_api.queries.history import COLUMNS, StoredEventRow
from query_api.replica.damage import fetch_all, fetch_one

NEVER = 1 << 62
"""After every place and every time (ms)."""


class Step(NamedTuple):
    """An event that matches, or (``event`` is None) the first event of a window that was not read yet."""

    at: int
    place: int
    key: int
    """The place or version of this event."""
    walk: int
    """Its walk's partition."""
    event: StoredEventRow | None


class Walk(Struct, frozen=True):
    """Events in the order of ``column``: those of a partition by place, or those of a title by version.

    ``first`` and ``last`` are inclusive bounds of the column. Places and times never decrease along it.
    """

    db: sqlite3.Connection
    partition: int
    column: Literal["place", "version"]
    isbn: int | None
    first: int
    last: int

    def lowest(self, what: Literal["place", "at"], value: int) -> int:
        """The lowest key from which on ``what`` is at least ``value``. Costs some 40 look-ups at most."""

        def known(key: int) -> int:
            found = self.nearest(key, descending=False)
            return NEVER if found is None else getattr(found, what)

        keys = range(self.first, self.last + 1)
        if what == self.column:
            return min(max(value, self.first), self.last + 1)
        return self.first + bisect_left(keys, value, key=known)

    def nearest(self, key: int, *, descending: bool) -> Step | None:
        """The first event at or after ``key``, ``descending``: at or before it, within the bounds."""
        low, high, order = (self.first, key, " DESC") if descending else (key, self.last, "")
        found = fetch_one(
            self.db,
            tuple[int, int, int],
            f"SELECT at, place, {self.column} FROM events WHERE {self._title}{self.column} BETWEEN ? AND ? "
            f"ORDER BY {self.column}{order} LIMIT 1",
            (*self._parameters, low, high),
        )
        return None if found is None else Step(*found, self.partition, None)

    def steps(
        self, start: int, kind: str | None, window: int, most: int, *, descending: bool
    ) -> Iterator[Step]:
        """The events of type ``kind`` (None: all) from ``start`` on, and a step after each window.

        Examines ``window`` keys and reads ``most`` events at a time, further ones only when asked for more.
        """
        order, onwards = (" DESC", -1) if descending else ("", 1)
        where, values = ("", ()) if kind is None else (" AND type = ?", (kind,))
        while self.first <= start <= self.last:
            end = min(max(start + onwards * (window - 1), self.first), self.last)
            events = fetch_all(
                self.db,
                StoredEventRow,
                f"SELECT {COLUMNS} FROM events WHERE {self._title}{self.column} BETWEEN ? AND ?{where} "
                f"ORDER BY {self.column}{order} LIMIT ?",
                (*self._parameters, min(start, end), max(start, end), *values, most),
            )
            for event in events:
                yield Step(event.at, event.place, getattr(event, self.column), self.partition, event)
            if len(events) == most:
                end = getattr(events[-1], self.column)
            following = self.nearest(end + onwards, descending=descending)
            if following is None:
                return
            yield following
            start = following.key

    @property
    def _title(self) -> str:
        return "" if self.isbn is None else "isbn = ? AND "

    @property
    def _parameters(self) -> tuple[Any, ...]:
        return () if self.isbn is None else (self.isbn,)
