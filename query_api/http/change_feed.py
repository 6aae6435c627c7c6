"""The changes after a position, in the order in which they became visible, or in which they were read."""

import asyncio
import operator
import sqlite3
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from eventstore.positions import format_positions, parse_positions
from query_api.documents import Change
from query_api.http.freshness import Reading
from query_api.http.totals import count_events
from query_api.replica.damage import fetch_all
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica
from query_api.replica.tables import SHIFT
from schemas.times import rfc3339

START = "start"
"""The id before the first event."""
HEARTBEAT_INTERVAL_S = 15.0
"""Without a change after which a comment shows that the connection lives."""
READ_LIMIT = 500
"""Changes that are read from the replica together."""
LARGEST_BACKLOG = 1_000
"""Changes that may happen while a reader does not accept an event; after them it is disconnected."""

Once: TypeAlias = Literal["shown", "read"]
"""When a change is sent: once its row shows it, or once its event is read, even if the table lags."""
_OFFSETS: dict[Once, Callable[[Progress], dict[int, int]]] = {
    "shown": Progress.offsets,
    "read": Progress.history_offsets,
}


class StoredChange(NamedTuple):
    """A change with its position in the event store."""

    partition: int
    offset: int
    change: Change


def parse_id(identifier: str) -> dict[int, int]:
    """The offsets in an event's id. Raises BadPosition."""
    return {} if identifier == START else parse_positions(identifier)


def read_changes(
    db: sqlite3.Connection, after: dict[int, int], until: dict[int, int], limit: int
) -> list[StoredChange]:
    """At most ``limit`` changes after the offsets ``after``, up to ``until``."""
    found: list[StoredChange] = []
    for partition, last in until.items():
        first = partition * SHIFT + after.get(partition, -1) + 1
        rows = fetch_all(
            db,
            tuple[int, int, int, str, int],
            "SELECT place, isbn, version, type, at FROM events WHERE place BETWEEN ? AND ? "
            "ORDER BY place LIMIT ?",
            (first, partition * SHIFT + last, limit - len(found)),
        )
        for place, isbn, version, kind, at in rows:
            offset = place % SHIFT
            change = Change(f"{isbn:013}", version, kind, rfc3339(at), f"{partition}:{offset}")
            found.append(StoredChange(partition, offset, change))
    return found


async def change_events(
    reading: Reading, replica: Replica, after: dict[int, int] | None, once: Once = "shown"
) -> AsyncIterator[bytes]:
    """Server-sent events after the offsets ``after`` (None: from now on), each as soon as ``once`` says.

    An event's id is the whole position: a reader that resumes with it misses nothing and gets nothing twice.
    The replica is the buffer: a slow reader occupies no memory. The stream ends with the process, and when
    the replica is replaced; ``backlog_exceeded`` ends it for a reader that is too slow.
    """
    offsets_of = _OFFSETS[once]
    at = offsets_of(replica.progress)
    if after is not None:
        at = {**dict.fromkeys(at, -1), **after}
    # At once: a reader that is disconnected before the first change must know where to resume
    yield _event(at)
    while reading.answers_from(replica):
        visible = offsets_of(replica.progress)
        try:
            found = await asyncio.to_thread(_read_changes, replica, at, visible)
        except sqlite3.DatabaseError as error:
            # The response has begun: the reader comes back with its last id
            reading.unreadable(error)
            return
        for partition, offset, change in found:
            at[partition] = offset
            yield b"event: change\ndata: " + msgspec.json.encode(change) + b"\n" + _event(at)
        if len(found) < READ_LIMIT:
            # The rest up to there is transaction markers and aborted events
            at = {partition: max(offset, visible[partition]) for partition, offset in at.items()}
            if not await reading.until(partial(_has_more, offsets_of, at), HEARTBEAT_INTERVAL_S):
                yield b": nothing new\n" + _event(at)


async def backlog_exceeded(reading: Reading, replica: Replica) -> None:
    """Return when LARGEST_BACKLOG changes have happened since the call, or no more will."""
    first = count_events(replica)
    while reading.answers_from(replica) and count_events(replica) - first < LARGEST_BACKLOG:
        await reading.until(partial(operator.is_not, replica.progress), HEARTBEAT_INTERVAL_S)


def _read_changes(replica: Replica, after: dict[int, int], until: dict[int, int]) -> list[StoredChange]:
    with replica.read() as read:
        return read_changes(read.db, after, until, READ_LIMIT)


def _has_more(
    offsets_of: Callable[[Progress], dict[int, int]], at: dict[int, int], progress: Progress
) -> bool:
    return any(offset > at[partition] for partition, offset in offsets_of(progress).items())


def _event(at: dict[int, int]) -> bytes:
    return f"id: {format_positions(at) or START}\n\n".encode()
