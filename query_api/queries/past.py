"""What the table said of a title at a version or a time: its events folded once more."""

import sqlite3

from inventory.fold import Gap, hold
from inventory.projection import project
from query_api.documents import json_of, title_of
from query_api.queries.titles import Filters, Found, Key
from query_api.replica.search_text import has_words
from query_api.replica.tables import SHIFT
from schemas.codec import decode, encode
from schemas.row import Held, InventoryRow

_END = (1 << 63) - 1


def row_at(
    db: sqlite3.Connection, isbn: int, *, version: int | None = None, at: int | None = None
) -> InventoryRow | None:
    """The row after the event that made ``version``, or after the last one at or before ``at`` (ms).

    None before the first. Costs a look-up and the events since the last checkpoint, fewer than
    ``history.CHECKPOINT_EVERY``.
    """
    last = min(_END, _END if version is None else version)
    if at is not None:
        found = db.execute(
            "SELECT version FROM events WHERE isbn = ? AND at <= ? ORDER BY at DESC, version DESC LIMIT 1",
            (isbn, at),
        ).fetchone()
        if found is None:
            return None
        last = min(last, found[0])
    return _folded(db, isbn, last)


def checkpoint(db: sqlite3.Connection, isbn: int, version: int) -> None:
    """Store the row at ``version``, for ``row_at`` to start from."""
    row = _folded(db, isbn, version)
    if row is not None:
        db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (isbn, version, encode(row)))


def _folded(db: sqlite3.Connection, isbn: int, last: int) -> InventoryRow | None:
    row: InventoryRow | None = None
    start = 0
    saved = db.execute(
        "SELECT version, row FROM checkpoints WHERE isbn = ? AND version <= ? ORDER BY version DESC LIMIT 1",
        (isbn, last),
    ).fetchone()
    if saved is not None:
        start, value = saved[0], decode(saved[1])
        assert isinstance(value, InventoryRow)
        row = value
    events = db.execute(
        "SELECT place, version, value FROM events WHERE isbn = ? AND version > ? AND version <= ? "
        "ORDER BY version",
        (isbn, start, last),
    )
    text = f"{isbn:013}"
    for place, version, value in events:
        offset = place % SHIFT
        try:
            row = project(row, text, version, offset, value)
        except Gap as error:
            # The projector stops at it; here the title's other states can still be shown
            row = hold(row, text, Held(version, offset, str(error)))
    return row


SCAN = 1_000
"""Titles that a page of the past looks at, at most; a page may have fewer items than asked for."""


def titles_at(db: sqlite3.Connection, filters: Filters, limit: int, after: Key | None) -> Found:
    """The titles that were in the inventory at ``filters.at``, by ISBN.

    A page looks at SCAN titles at most, each at the cost of ``row_at``; where it finds fewer than ``limit``
    among them it is short, and the next one goes on from there.
    """
    assert filters.at is not None
    sign, direction = ("<", "DESC") if filters.downwards else (">", "ASC")
    start = after.isbn if after is not None else _END if filters.downwards else -1
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
