"""The events of a title, as documents."""

import sqlite3
from typing import NamedTuple

from msgspec import UNSET

from query_api.documents import EventDocument
from query_api.replica.damage import decode_event, fetch_all
from query_api.replica.tables import SHIFT
from schemas.event_json import event_data
from schemas.times import rfc3339


class _StoredColumns(NamedTuple):
    place: int
    version: int
    at: int
    type: str
    command_id: str
    value: bytes | None
    problem: str | None


def events_of(
    db: sqlite3.Connection, isbn: int, limit: int, after: int
) -> tuple[list[EventDocument], int | None]:
    """At most ``limit`` events after version ``after``, and the last one's version if more follow."""
    rows = fetch_all(
        db,
        _StoredColumns,
        "SELECT place, version, at, type, command_id, value, problem FROM events "
        "WHERE isbn = ? AND version > ? ORDER BY version LIMIT ?",
        (isbn, after, limit + 1),
    )
    events = [_event_document(isbn, stored) for stored in rows[:limit]]
    return events, events[-1].version if len(rows) > limit else None


def _event_document(isbn: int, stored: _StoredColumns) -> EventDocument:
    partition, offset = divmod(stored.place, SHIFT)
    return EventDocument(
        stored.version,
        stored.type,
        rfc3339(stored.at),
        stored.command_id,
        f"{partition}:{offset}",
        event_data(decode_event(isbn, stored.value)) if stored.problem is None else {},
        UNSET if stored.problem is None else stored.problem,
    )
