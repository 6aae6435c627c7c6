"""Events into the replica, and the checkpoints that keep the past near."""

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from query_api.replica.past import checkpoint
from query_api.replica.tables import SHIFT


class Stored(Struct, frozen=True):
    """An event as it is stored; ``problem`` says why its value can't be read."""

    partition: int
    offset: int
    isbn: str
    version: int
    at: int
    type: str
    command_id: str
    value: bytes | None
    problem: str | None = None


CHECKPOINT_EVERY = 100
"""Versions: no state of a title is further than so many events from a stored one."""


def put_events(db: sqlite3.Connection, events: Iterable[Stored]) -> None:
    """Store ``events``; of two that claim the same version of a title the first counts, as in the table."""
    rows = [
        (
            e.partition * SHIFT + e.offset,
            int(e.isbn),
            e.version,
            e.at,
            e.type,
            e.command_id,
            e.value,
            e.problem,
        )
        for e in events
    ]
    if not rows:
        return
    added = db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount
    db.execute("UPDATE totals SET events = events + ?", (added,))
    db.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", [(row[1], row[3]) for row in rows])
    for row in rows:
        if row[2] % CHECKPOINT_EVERY == 0:
            checkpoint(db, row[1], row[2])


def put_unreadable(db: sqlite3.Connection, stream: str, partition: int, offset: int, reason: str) -> None:
    """Remember a record that names no title."""
    db.execute(
        "INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?)", (stream, partition * SHIFT + offset, reason)
    )
