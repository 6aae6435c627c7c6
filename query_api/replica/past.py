"""Titles as they were at a version or a time: their events folded again."""

import sqlite3
from collections import OrderedDict
from typing import NamedTuple

import msgspec

from inventory.projection import project_log
from query_api.documents import json_of, title_document
from query_api.replica.damage import Damaged, decode_event, decode_row, fetch_all, fetch_one
from query_api.replica.seals import sealed
from query_api.replica.tables import LARGEST_INTEGER, SHIFT
from schemas.codec import encode
from schemas.row import InventoryRow

CHECKPOINT_INTERVAL_VERSIONS = 100
"""Each title's row is stored at every multiple of this version."""
MOST_REMEMBERED = 20_000
"""States that are kept in memory: about half a kilobyte each."""


Versions = list[tuple[int, int]]
"""Events: ISBN and version."""


class NotRemembered(Exception):
    """A state has to be folded."""


class PastTitle(NamedTuple):
    """A title after an event: its document, whether it was removed, and the time of its last change (ms)."""

    removed: bool
    version: int
    updated_at: int
    body: bytes


States = dict[tuple[int, int], PastTitle]
"""By event."""


class _StoredEvent(NamedTuple):
    isbn: int
    place: int
    version: int
    value: bytes | None
    problem: str | None


class PastTitles:
    """Past states of one replica's titles. They are remembered: a version never changes.

    Safe from any thread.
    """

    def __init__(self) -> None:
        self._remembered: OrderedDict[tuple[int, int], PastTitle] = OrderedDict()

    def get(self, isbn: int, version: int) -> PastTitle | None:
        """The state after an event, None if it has to be folded."""
        return self._remembered.get((isbn, version))

    def remembered(self, _: sqlite3.Connection, versions: Versions) -> States:
        """The states after these events, without a fold. Raises NotRemembered."""
        try:
            return {key: self._remembered[key] for key in versions}
        except KeyError as error:
            raise NotRemembered from error

    def states(self, db: sqlite3.Connection, versions: Versions) -> States:
        """The states after these stored events, one for each title. Costs a fold for each new one."""
        remembered = self._remembered
        found = {key: title for key in versions if (title := remembered.get(key)) is not None}
        if len(found) < len(versions):
            rows = _rows_at(db, [key for key in versions if key not in found])
            for key, row in rows.items():
                found[key] = remembered[key] = _past_title(row)
            if len(found) < len(versions):
                raise Damaged("an index names an event that is not stored")
            while len(remembered) > MOST_REMEMBERED:
                remembered.popitem(last=False)
        return found


def version_at(
    db: sqlite3.Connection, isbn: int, *, version: int | None = None, at: int | None = None
) -> int | None:
    """The last version up to ``version``, or that of the last event at or before ``at`` (ms); None: none."""
    if at is not None:
        newest = fetch_one(
            db,
            tuple[int],
            "SELECT version FROM events WHERE isbn = ? AND at <= ? ORDER BY at DESC, version DESC LIMIT 1",
            (isbn, at),
        )
    else:
        newest = fetch_one(
            db,
            tuple[int],
            "SELECT version FROM events WHERE isbn = ? AND version <= ? ORDER BY version DESC LIMIT 1",
            (isbn, LARGEST_INTEGER if version is None else min(LARGEST_INTEGER, version)),
        )
    return None if newest is None else newest[0]


def row_at(
    db: sqlite3.Connection, isbn: int, *, version: int | None = None, at: int | None = None
) -> InventoryRow | None:
    """The row after the event that made ``version``, or after the last event at or before ``at`` (ms).

    None before the first event. Costs one look-up and a fold of the events since the last checkpoint, fewer
    than CHECKPOINT_INTERVAL_VERSIONS.
    """
    last = version_at(db, isbn, version=version, at=at)
    return None if last is None else _fold_until(db, isbn, last)


def is_checkpoint(version: int) -> bool:
    """Whether the row at ``version`` is to be stored."""
    return version % CHECKPOINT_INTERVAL_VERSIONS == 0


def store_checkpoint(db: sqlite3.Connection, isbn: int, version: int) -> None:
    """Store the row at ``version``: ``row_at`` starts its fold there."""
    row = _fold_until(db, isbn, version)
    if row is not None:
        db.execute(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)", sealed((isbn, version, encode(row)))
        )


def _rows_at(db: sqlite3.Connection, versions: Versions) -> dict[tuple[int, int], InventoryRow]:
    rows: dict[tuple[int, int], InventoryRow | None] = {}
    short = {isbn: last for isbn, last in versions if last < CHECKPOINT_INTERVAL_VERSIONS}
    if short:
        # One statement for all: at each of its steps a thread lets others run, and waits until they let it
        events = fetch_all(
            db,
            _StoredEvent,
            "SELECT e.isbn, e.place, e.version, e.value, e.problem "
            "FROM json_each(?) AS wanted CROSS JOIN events AS e "
            "ON e.isbn = json_extract(wanted.value, '$[0]') "
            "AND e.version <= json_extract(wanted.value, '$[1]') ORDER BY wanted.key, e.version",
            (msgspec.json.encode(list(short.items())).decode(),),
        )
        for event in events:
            key = (event.isbn, short[event.isbn])
            rows[key] = _after(rows.get(key), event)
    for isbn, last in versions:
        if last >= CHECKPOINT_INTERVAL_VERSIONS:
            rows[isbn, last] = _fold_until(db, isbn, last)
    return {key: row for key, row in rows.items() if row is not None}


def _fold_until(db: sqlite3.Connection, isbn: int, last: int) -> InventoryRow | None:
    row: InventoryRow | None = None
    start = 0
    checkpoint = (
        fetch_one(
            db,
            tuple[int, bytes],
            "SELECT version, row FROM checkpoints WHERE isbn = ? AND version <= ? "
            "ORDER BY version DESC LIMIT 1",
            (isbn, last),
        )
        if last >= CHECKPOINT_INTERVAL_VERSIONS
        else None
    )
    if checkpoint is not None:
        start, row = checkpoint[0], decode_row(checkpoint[1])
    events = fetch_all(
        db,
        _StoredEvent,
        "SELECT isbn, place, version, value, problem FROM events "
        "WHERE isbn = ? AND version > ? AND version <= ? ORDER BY version",
        (isbn, start, last),
    )
    for event in events:
        row = _after(row, event)
    return row


def _after(row: InventoryRow | None, event: _StoredEvent) -> InventoryRow:
    isbn, offset = f"{event.isbn:013}", event.place % SHIFT
    row = project_log(row, isbn, event.version, offset, event.value)
    if event.problem is None and row.held is not None and row.held.version == event.version:
        # Held by an event that can be decoded, unless it was damaged since it was stored
        decode_event(event.isbn, event.value)
    return row


def _past_title(row: InventoryRow) -> PastTitle:
    return PastTitle(row.removed, row.version, row.updated_at, json_of(title_document(row)))
