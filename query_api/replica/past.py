"""A title as it was at a version or a time: its events folded again."""

import sqlite3

from inventory.projection import project
from inventory.row_fold import Gap, hold
from query_api.replica.damage import decode_event, decode_row, fetch_all, fetch_one
from query_api.replica.tables import LARGEST_INTEGER, SHIFT
from schemas.codec import encode
from schemas.row import Held, InventoryRow


def row_at(
    db: sqlite3.Connection, isbn: int, *, version: int | None = None, at: int | None = None
) -> InventoryRow | None:
    """The row after the event that made ``version``, or after the last event at or before ``at`` (ms).

    None before the first event. Costs one look-up and a fold of the events since the last checkpoint, fewer
    than ``events.CHECKPOINT_INTERVAL_VERSIONS``.
    """
    last = LARGEST_INTEGER if version is None else min(LARGEST_INTEGER, version)
    if at is not None:
        newest = fetch_one(
            db,
            tuple[int],
            "SELECT version FROM events WHERE isbn = ? AND at <= ? ORDER BY at DESC, version DESC LIMIT 1",
            (isbn, at),
        )
        if newest is None:
            return None
        last = min(last, newest[0])
    return _fold_until(db, isbn, last)


def store_checkpoint(db: sqlite3.Connection, isbn: int, version: int) -> None:
    """Store the row at ``version``: ``row_at`` starts its fold there."""
    row = _fold_until(db, isbn, version)
    if row is not None:
        db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (isbn, version, encode(row)))


def _fold_until(db: sqlite3.Connection, isbn: int, last: int) -> InventoryRow | None:
    row: InventoryRow | None = None
    start = 0
    checkpoint = fetch_one(
        db,
        tuple[int, bytes],
        "SELECT version, row FROM checkpoints WHERE isbn = ? AND version <= ? ORDER BY version DESC LIMIT 1",
        (isbn, last),
    )
    if checkpoint is not None:
        start, row = checkpoint[0], decode_row(checkpoint[1])
    events = fetch_all(
        db,
        tuple[int, int, bytes | None, str | None],
        "SELECT place, version, value, problem FROM events WHERE isbn = ? AND version > ? AND version <= ? "
        "ORDER BY version",
        (isbn, start, last),
    )
    text = f"{isbn:013}"
    for place, version, value, problem in events:
        offset = place % SHIFT
        try:
            row = project(row, text, version, offset, value)
        except Gap as error:
            # The projector stops at a gap; here the title's other states can still be shown
            row = hold(row, text, Held(version, offset, str(error)))
        if problem is None and row.held is not None and row.held.version == version:
            # Held by an event that can be decoded, unless it was damaged since it was stored
            decode_event(isbn, value)
    return row
