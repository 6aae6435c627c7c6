"""What changed, in the order in which it became visible, from any position on."""

import asyncio
import operator
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec import Struct

from eventstore.positions import format_positions, parse_positions
from query_api.http.freshness import Reading
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica
from query_api.replica.tables import SHIFT
from schemas.times import rfc3339

START = "start"
"""The id of a stream that has come to nothing yet: before the first event."""
HEARTBEAT = 15.0
"""Seconds without a change after which a comment tells that the connection lives."""
AT_ONCE = 500
"""Changes that are read from the replica together."""
BUFFER = 1_000
"""Changes that may come while a reader does not take what it was sent; then it is let go."""


class Change(Struct, frozen=True):
    """An event that is visible by now. It names no patron: whoever may know asks the history."""

    isbn: str
    version: int
    type: str
    time: str
    position: str


class Placed(NamedTuple):
    """A change with its place in the event store."""

    partition: int
    offset: int
    change: Change


def since(identifier: str) -> dict[int, int]:
    """The offsets that an event's id stands for. Raises BadPosition."""
    return {} if identifier == START else parse_positions(identifier)


def changes(db: sqlite3.Connection, after: dict[int, int], until: dict[int, int], limit: int) -> list[Placed]:
    """At most ``limit`` changes after the offsets ``after``, up to ``until``."""
    found: list[Placed] = []
    for partition, last in until.items():
        first = partition * SHIFT + after.get(partition, -1) + 1
        rows = db.execute(
            "SELECT place, isbn, version, type, at FROM events WHERE place BETWEEN ? AND ? "
            "ORDER BY place LIMIT ?",
            (first, partition * SHIFT + last, limit - len(found)),
        )
        for place, isbn, version, kind, at in rows:
            offset = place % SHIFT
            change = Change(f"{isbn:013}", version, kind, rfc3339(at), f"{partition}:{offset}")
            found.append(Placed(partition, offset, change))
    return found


async def told(reading: Reading, replica: Replica, after: dict[int, int] | None) -> AsyncIterator[bytes]:
    """Server-sent events after the offsets ``after`` (None: from now on), each once the row shows it.

    An event's id is the whole position, so that a reader who comes back with it misses nothing and gets
    nothing twice. The replica is the buffer: a slow reader holds nothing in memory. Ends when the replica is
    made anew, and with the process; a reader who is too slow is let go by ``outrun``.
    """
    at = (
        replica.progress.offsets()
        if after is None
        else {**dict.fromkeys(replica.progress.offsets(), -1), **after}
    )
    # Before anything happened, so that a reader who is cut off now knows where to go on
    yield _event(at)
    while reading.answers_from(replica):
        visible = replica.progress.offsets()
        found = await asyncio.to_thread(_changes, replica, at, visible)
        for partition, offset, change in found:
            at[partition] = offset
            yield b"event: change\ndata: " + msgspec.json.encode(change) + b"\n" + _event(at)
        if len(found) < AT_ONCE:
            # What is left up to there is markers and aborted events
            at = {partition: max(offset, visible[partition]) for partition, offset in at.items()}
            if not await reading.until(partial(_shows_more, at), HEARTBEAT):
                yield b": nothing new\n" + _event(at)


async def outrun(reading: Reading, replica: Replica) -> None:
    """Ends when BUFFER changes have come since it began, or no more will."""
    first = _count(replica)
    while reading.answers_from(replica) and _count(replica) - first < BUFFER:
        await reading.until(partial(operator.is_not, replica.progress), HEARTBEAT)


def _count(replica: Replica) -> int:
    return int(replica.reader().execute("SELECT events FROM totals").fetchone()[0])


def _changes(replica: Replica, after: dict[int, int], until: dict[int, int]) -> list[Placed]:
    return changes(replica.reader(), after, until, AT_ONCE)


def _shows_more(at: dict[int, int], progress: Progress) -> bool:
    return any(offset > at[partition] for partition, offset in progress.offsets().items())


def _event(at: dict[int, int]) -> bytes:
    return f"id: {format_positions(at) or START}\n\n".encode()
