"""The inventory as it was at a time, page by page."""

import sqlite3

from query_api.documents import json_of, title_document
from query_api.queries.page import TitleFilters, TitleKey, TitlePage
from query_api.replica.damage import fetch_all
from query_api.replica.past import row_at
from query_api.replica.search_text import has_words
from query_api.replica.tables import LARGEST_INTEGER
from schemas.row import InventoryRow

MAX_SCANNED_TITLES = 1_000
"""A page of the past examines at most this many titles."""


def titles_at(db: sqlite3.Connection, filters: TitleFilters, limit: int, after: TitleKey | None) -> TitlePage:
    """The titles that were in the inventory at ``filters.at``, by ISBN.

    Each examined title costs a ``row_at``. A page that finds fewer than ``limit`` among
    MAX_SCANNED_TITLES is short, and the next page continues after the last one examined.
    """
    assert filters.at is not None
    sign, direction = ("<", "DESC") if filters.descending else (">", "ASC")
    start = after.isbn if after is not None else LARGEST_INTEGER if filters.descending else -1
    numbers = [
        number
        for (number,) in fetch_all(
            db,
            tuple[int],
            f"SELECT isbn FROM known WHERE isbn {sign} ? AND first_at <= ? ORDER BY isbn {direction} LIMIT ?",
            (start, filters.at, MAX_SCANNED_TITLES + 1),
        )
    ]
    bodies: list[bytes] = []
    examined: int | None = None
    for number in numbers[:MAX_SCANNED_TITLES]:
        if len(bodies) == limit:
            return TitlePage(bodies, TitleKey(examined or 0, examined or 0))
        examined = number
        row = row_at(db, number, at=filters.at)
        if row is not None and not row.removed and _matches(row, filters):
            bodies.append(json_of(title_document(row)))
    more = examined is not None and len(numbers) > MAX_SCANNED_TITLES
    return TitlePage(bodies, TitleKey(examined, examined) if more and examined is not None else None)


def _matches(row: InventoryRow, filters: TitleFilters) -> bool:
    if filters.available is not None and (row.available > 0) != filters.available:
        return False
    if filters.held is not None and (row.held is not None) != filters.held:
        return False
    if filters.author is not None and not has_words(filters.author, row.author):
        return False
    return filters.q is None or has_words(filters.q, row.title, row.author)
