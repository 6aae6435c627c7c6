"""From a batch to the rows that it changes: one row a title, whatever the number of its events."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from eventstore.keys import BadKey
from inventory.projection import project
from projector.batched_faust.batch import Record
from projector.fold.wire_row import WireRow
from schemas.codec import decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow

KEPT = 5_000
"""Titles of a partition that stay in memory, at least; at most twice as many."""

_State: TypeAlias = WireRow | InventoryRow


class BadRecord(NamedTuple):
    """A record whose key names no title: nobody can say what would be lost by passing over it."""

    offset: int
    reason: BadKey


class PartitionFold:
    """Folds the batches of a partition, one after the other: ``add`` events, then ``take`` the changed rows.

    Titles that events came for lately stay in memory. So one that may have missed a batch, or whose batch
    was not stored, has to be thrown away: ``stored`` (row by key, as in the table) is the truth.
    """

    def __init__(self, stored: Callable[[bytes], bytes | None]) -> None:
        self._stored = stored
        self._recent: dict[bytes, _State] = {}
        self._older: dict[bytes, _State] = {}
        self._changed: dict[bytes, _State] = {}

    def add(self, records: Iterable[Record]) -> BadRecord | None:
        """Fold records in, up to one that names no title. Raises Gap: the worker must not go on."""
        recent, changed = self._recent, self._changed
        for offset, key, value in records:
            name = key[:13] if key is not None else b""
            state = recent.get(name)
            if type(state) is WireRow and state.following == key and value and state.apply(value):
                changed[name] = state
                continue
            try:
                isbn, version = parse_title_key(key)
            except BadKey as error:
                return BadRecord(offset, error)
            if version == 1 and value and (state := WireRow.added(name, value)) is not None:
                recent[name] = changed[name] = state
                continue
            if state is None:
                state = self._remembered(name)
            if state is not None and 1 < version <= state.version:
                continue
            row = _row(state)
            after = project(row, isbn, version, offset, value)
            if after is not row:
                recent[name] = changed[name] = WireRow.of(after) or after
        return None

    def take(self) -> dict[bytes, bytes]:
        """The rows that changed since the last time, by key, each in its last state."""
        rows = {name: _encoded(state) for name, state in self._changed.items()}
        self._changed.clear()
        if len(self._recent) > KEPT:
            self._older, self._recent = self._recent, {}
        return rows

    def _remembered(self, name: bytes) -> _State | None:
        state = self._older.get(name)
        if state is None and (stored := self._stored(name)) is not None:
            row = decode(stored)
            assert isinstance(row, InventoryRow)
            state = WireRow.of(row) or row
        if state is not None:
            self._recent[name] = state
        return state


def _row(state: _State | None) -> InventoryRow | None:
    if not isinstance(state, WireRow):
        return state
    row = decode(state.encoded())
    assert isinstance(row, InventoryRow)
    return row


def _encoded(state: _State) -> bytes:
    return state.encoded() if isinstance(state, WireRow) else encode(state)
