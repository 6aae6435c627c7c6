"""The events of all titles, page by page, in the order of their times."""

import sqlite3
from heapq import merge
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import astuple

from eventstore.partitions import partition_of
from query_api.documents import ListedEvent
from query_api.queries.event_walk import Walk
from query_api.queries.history import StoredEventRow, event_document
from query_api.replica.past import version_at
from query_api.replica.progress import Progress
from query_api.replica.tables import SHIFT

MAX_EXAMINED_EVENTS = 100_000
"""A page of a type of event examines about as many at most."""
_WINDOW_EVENTS = 32_000
"""That all partitions together examine at a time."""
_MIN_WINDOW_EVENTS = 500
_MIN_READ_EVENTS = 16
"""That a partition reads at a time."""


class EventFilters(Struct, frozen=True):
    """Filters and order of a list of events.

    ``since`` and ``until`` are positions by partition, or times in ms: events after ``since``, and up to and
    including ``until``; an event at the time ``since`` is included, too.
    """

    type: str | None = None
    isbn: int | None = None
    partition: int | None = None
    since: dict[int, int] | int | None = None
    until: dict[int, int] | int | None = None
    descending: bool = True


class EventPage(NamedTuple):
    """The events, and where the next page begins: a key for each partition; None on the last page."""

    events: list[ListedEvent]
    following: dict[int, int] | None


def find_events(
    db: sqlite3.Connection,
    progress: Progress,
    filters: EventFilters,
    limit: int,
    start: dict[int, int] | None,
) -> EventPage:
    """At most ``limit`` events of the replica with ``progress``, from ``start`` on.

    Costs a look-up for each partition and the events read. A page of one type that finds fewer than
    ``limit`` among MAX_EXAMINED_EVENTS is short, and the next one continues where it ended.
    """
    walks = [_bounded(walk, filters) for walk in _walks(db, progress, filters)]
    descending = filters.descending
    keys = {walk.partition: walk.last if descending else walk.first for walk in walks}
    for partition, key in (start or {}).items():
        if partition in keys:
            keys[partition] = key
    share = max(1, len(walks))
    window, most = max(_MIN_WINDOW_EVENTS, _WINDOW_EVENTS // share), max(_MIN_READ_EVENTS, 2 * limit // share)
    steps = merge(
        *(
            walk.steps(keys[walk.partition], filters.type, window, most, descending=descending)
            for walk in walks
        ),
        key=lambda step: (step.at, step.place),
        reverse=descending,
    )
    found: list[ListedEvent] = []
    examined = window * len(walks) if filters.type is not None else 0
    for step in steps:
        if len(found) == limit or examined > MAX_EXAMINED_EVENTS:
            return EventPage(found, keys)
        keys[step.walk] = step.key
        if step.event is None:
            examined += window if filters.type is not None else 0
        else:
            keys[step.walk] += -1 if descending else 1
            found.append(_listed(step.event))
    return EventPage(found, None)


def _walks(db: sqlite3.Connection, progress: Progress, filters: EventFilters) -> list[Walk]:
    ends, wanted = progress.history, filters.partition
    if filters.isbn is None:
        return [
            Walk(db, p, "place", None, p * SHIFT, p * SHIFT + end - 1)
            for p, end in enumerate(ends)
            if wanted in (None, p)
        ]
    home = partition_of(f"{filters.isbn:013}", len(ends))
    if wanted not in (None, home):
        return []
    newest = version_at(db, filters.isbn)
    return [] if newest is None else [Walk(db, home, "version", filters.isbn, 1, newest)]


def _bounded(walk: Walk, filters: EventFilters) -> Walk:
    """The part of ``walk`` after ``since`` and up to ``until``."""
    first, last = walk.first, walk.last
    match filters.since:
        case int(at):
            first = walk.lowest("at", at)
        case dict(offsets):
            first = walk.lowest("place", walk.partition * SHIFT + offsets.get(walk.partition, -1) + 1)
    match filters.until:
        case int(at):
            last = walk.lowest("at", at + 1) - 1
        case dict(offsets):
            last = walk.lowest("place", walk.partition * SHIFT + offsets.get(walk.partition, -1) + 1) - 1
    return Walk(walk.db, walk.partition, walk.column, walk.isbn, first, last)


def _listed(stored: StoredEventRow) -> ListedEvent:
    return ListedEvent(*astuple(event_document(stored)), isbn=f"{stored.isbn:013}")
