"""A title as it was at a version or a time: its events folded once more."""

import sqlite3

from inventory.fold import Gap, hold
from inventory.projection import project
from query_api.replica.tables import SHIFT
from schemas.codec import decode, encode
from schemas.row import Held, InventoryRow

END = (1 << 63) - 1


def row_at(
    db: sqlite3.Connection, isbn: int, *, version: int | None = None, at: int | None = None
) -> InventoryRow | None:
    """The row after the event that made ``version``, or after the last one at or before ``at`` (ms).

    None before the first. Costs a look-up and the events since the last checkpoint, fewer than
    ``history.CHECKPOINT_EVERY``.
    """
    last = min(END, END if version is None else version)
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
