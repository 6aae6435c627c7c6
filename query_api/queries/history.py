"""The events of a title, as documents."""

import sqlite3
from typing import Any

from msgspec import UNSET

from query_api.documents import EventDocument
from query_api.replica.tables import SHIFT
from schemas.codec import Undecodable
from schemas.event_json import event_data
from schemas.records import event_of
from schemas.times import rfc3339


def events_of(
    db: sqlite3.Connection, isbn: int, limit: int, after: int
) -> tuple[list[EventDocument], int | None]:
    """At most ``limit`` events after version ``after``, and the last one's version if more follow."""
    rows = db.execute(
        "SELECT place, version, at, type, command_id, value, problem FROM events "
        "WHERE isbn = ? AND version > ? ORDER BY version LIMIT ?",
        (isbn, after, limit + 1),
    ).fetchall()
    events = [_event_document(isbn, *row) for row in rows[:limit]]
    return events, events[-1].version if len(rows) > limit else None


def _event_document(
    isbn: int,
    place: int,
    version: int,
    at: int,
    kind: str,
    command_id: str,
    value: bytes | None,
    problem: str | None,
) -> EventDocument:
    partition, offset = divmod(place, SHIFT)
    data: dict[str, Any] = {}
    if problem is None:
        try:
            data = event_data(event_of(f"{isbn:013}", value))
        except Undecodable as error:
            problem = str(error)
    return EventDocument(
        version,
        kind,
        rfc3339(at),
        command_id,
        f"{partition}:{offset}",
        data,
        UNSET if problem is None else problem,
    )
