"""The events of a title, as documents."""

import sqlite3
from typing import NamedTuple

from msgspec import UNSET

from query_api.documents import EventDocument
from query_api.replica.damage import decode_event, fetch_all
from query_api.replica.events import UNPACKED_DIGEST
from query_api.replica.tables import SHIFT
from schemas.event_json import event_data
from schemas.times import rfc3339


class StoredEventRow(NamedTuple):
    """The columns of a stored event that documents are made of."""

    place: int
    isbn: int
    version: int
    at: int
    type: str
    command_id: str
    digest: str
    actor: str
    value: bytes | None
    problem: str | None


COLUMNS = ", ".join(UNPACKED_DIGEST if name == "digest" else name for name in StoredEventRow._fields)


def events_of(
    db: sqlite3.Connection, isbn: int, limit: int, after: int
) -> tuple[list[EventDocument], int | None]:
    """At most ``limit`` events after version ``after``, and the last one's version if more follow."""
    rows = fetch_all(
        db,
        StoredEventRow,
        f"SELECT {COLUMNS} FROM events WHERE isbn = ? AND version > ? ORDER BY version LIMIT ?",
        (isbn, after, limit + 1),
    )
    events = [event_document(stored) for stored in rows[:limit]]
    return events, events[-1].version if len(rows) > limit else None


def event_document(stored: StoredEventRow) -> EventDocument:
    """The event's document. Raises Damaged."""
    partition, offset = divmod(stored.place, SHIFT)
    return EventDocument(
        stored.version,
        stored.type,
        rfc3339(stored.at),
        stored.command_id,
        stored.digest,
        stored.actor,
        f"{partition}:{offset}",
        event_data(decode_event(stored.isbn, stored.value)) if stored.problem is None else {},
        UNSET if stored.problem is None else stored.problem,
    )
