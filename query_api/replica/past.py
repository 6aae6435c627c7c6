"""A title as it was at a version or a time: its events folded again."""

import sqlite3

from inventory.projection import project
from inventory.row_fold import Gap, hold
from query_api.replica.tables import LARGEST_INTEGER, SHIFT
from schemas.codec import decode, encode
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
        newest = db.execute(
            "SELECT version FROM events WHERE isbn = ? AND at <= ? ORDER BY at DESC, version DESC LIMIT 1",
            (isbn, at),
        ).fetchone()
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
    checkpoint = db.execute(
        "SELECT version, row FROM checkpoints WHERE isbn = ? AND version <= ? ORDER BY version DESC LIMIT 1",
        (isbn, last),
    ).fetchone()
    if checkpoint is not None:
        start, value = checkpoint[0], decode(checkpoint[1])
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
            # The projector stops at a gap; here the title's other states can still be shown
            row = hold(row, text, Held(version, offset, str(error)))
    return row
