"""The inventory as it was at a time, page by page."""

import sqlite3

from query_api.documents import json_of, title_of
from query_api.queries.page import Filters, Found, Key
from query_api.replica.past import END, row_at
from query_api.replica.search_text import has_words
from schemas.row import InventoryRow

SCAN = 1_000
"""Titles that a page of the past looks at, at most; a page may have fewer items than asked for."""


def titles_at(db: sqlite3.Connection, filters: Filters, limit: int, after: Key | None) -> Found:
    """The titles that were in the inventory at ``filters.at``, by ISBN.

    A page looks at SCAN titles at most, each at the cost of ``row_at``; where it finds fewer than ``limit``
    among them it is short, and the next one goes on from there.
    """
    assert filters.at is not None
    sign, direction = ("<", "DESC") if filters.downwards else (">", "ASC")
    start = after.isbn if after is not None else END if filters.downwards else -1
    numbers = [
        row[0]
        for row in db.execute(
            f"SELECT isbn FROM known WHERE isbn {sign} ? AND first_at <= ? ORDER BY isbn {direction} LIMIT ?",
            (start, filters.at, SCAN + 1),
        )
    ]
    bodies: list[bytes] = []
    looked: int | None = None
    for number in numbers[:SCAN]:
        if len(bodies) == limit:
            return Found(bodies, Key(looked or 0, looked or 0))
        looked = number
        row = row_at(db, number, at=filters.at)
        if row is not None and not row.removed and _wanted(row, filters):
            bodies.append(json_of(title_of(row)))
    more = looked is not None and len(numbers) > SCAN
    return Found(bodies, Key(looked, looked) if more and looked is not None else None)


def _wanted(row: InventoryRow, filters: Filters) -> bool:
    if filters.available is not None and (row.available > 0) != filters.available:
        return False
    return filters.q is None or has_words(filters.q, row.title, row.author)
