"""Writes events into the replica, with checkpoints that keep past states quick to compute."""

import sqlite3
from collections.abc import Collection

from msgspec import Struct

from query_api.replica.first_read import is_first_read
from query_api.replica.past import is_checkpoint, store_checkpoint
from query_api.replica.seals import sealed
from query_api.replica.tables import SHIFT


class StoredEvent(Struct, frozen=True):
    """An event as it is stored; ``at`` in ms. ``problem`` says why its value can't be decoded.

    ``actor`` is empty where nobody was named, ``digest`` (of the command) where the record has none.
    """

    partition: int
    offset: int
    isbn: str
    version: int
    at: int
    type: str
    command_id: str
    value: bytes | None
    problem: str | None = None
    actor: str = ""
    digest: str = ""


UNPACKED_DIGEST = (
    "iif(substr(digest, 1, 1) = x'01', lower(hex(substr(digest, 2))), CAST(substr(digest, 2) AS TEXT))"
)
"""SQL: the digest that ``packed_digest`` packed."""


def packed_digest(digest: str) -> bytes:
    """A digest as it is stored: a byte that says how, then ours in half its length, or another's text."""
    try:
        packed = bytes.fromhex(digest)
    except ValueError:
        packed = b""
    return b"\x01" + packed if packed and packed.hex() == digest else b"\x00" + digest.encode()


def put_events(db: sqlite3.Connection, events: Collection[StoredEvent]) -> None:
    """Store ``events``. Of two events with the same version of a title the first counts, as in the table.

    During the first read it stores nothing but the events: ``first_read.finish`` does the rest.
    """
    rows = [
        sealed(
            (
                e.partition * SHIFT + e.offset,
                int(e.isbn),
                e.version,
                e.at,
                e.type,
                e.command_id,
                packed_digest(e.digest),
                e.actor,
                e.value,
                e.problem,
            )
        )
        for e in events
    ]
    if not rows:
        return
    added = db.executemany(
        "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
    ).rowcount
    db.execute("UPDATE totals SET events = events + ?", (added,))
    if is_first_read(db):
        return
    db.executemany(
        "INSERT OR IGNORE INTO known VALUES (?, ?, ?)", [sealed((isbn, at)) for _, isbn, _, at, *_ in rows]
    )
    for event in events:
        if is_checkpoint(event.version):
            store_checkpoint(db, int(event.isbn), event.version)


def put_unreadable(db: sqlite3.Connection, stream: str, partition: int, offset: int, reason: str) -> None:
    """Store that a record was passed over because it names no title."""
    db.execute(
        "INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?, ?)",
        sealed((stream, partition * SHIFT + offset, reason)),
    )
