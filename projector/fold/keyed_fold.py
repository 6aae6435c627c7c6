"""Folds events into rows with any key, by a pure function of a row and an event.

Events may come again. Each row therefore carries the offsets of its first and its last event. An event up to
the last one is skipped; but the first one, or an earlier one, starts the row anew. A replay from the
beginning thus computes every row with today's function, and a repeat after a crash changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from eventstore.avro import Undecodable
from eventstore.decider import Events
from eventstore.keys import BadKey
from eventstore.recorded import event_of, parse_stream_key
from eventstore.topics import Table
from projector.batched_faust.batch import Record
from projector.projection import BadRecord, DamagedRow, Projection, Read, RowCodec, Rows

OBJECT_BYTES = 500
"""Memory of a row's objects, besides what depends on its content."""
OBJECT_FACTOR = 4
"""Memory of a row's content by its encoded bytes: a small text or number is an object of 30 to 60 bytes."""


class Row(Struct, frozen=True, kw_only=True):
    """The base of a keyed row. The fold sets both offsets; they belong to the row's Avro schema."""

    first_offset: int = -1
    last_offset: int = -1


E = TypeVar("E", bound=Struct)
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class KeyedTable(Generic[E, R]):
    """``key(event)`` names the row that an event belongs to; None: it concerns no row.

    ``fold(row, event)`` gives the row after the event; ``row`` is None before its first one. It must not
    return None: a row without content stays, so that repeats are recognised. An event that ``fold`` refuses
    (ValueError), or that can't be decoded, stops its partition.
    """

    table: Table
    events: Events[E]
    key: Callable[[E], str | None]
    fold: Callable[[R | None, E], R]
    codec: RowCodec

    def projection(self) -> Projection:
        """The table as a projection for ``projector.app.build``."""
        return Projection(self.table, lambda read: KeyedFold(self, read), self.codec)


class KeyedFold:
    """The fold of one partition; see ``projector.projection.Fold``."""

    def __init__(self, table: KeyedTable[Any, Any], read: Read) -> None:
        self._table, self._read = table, read
        self._changed: dict[bytes, Row] = {}
        self._bytes = 0
        """Of the stored rows and the events that made the changed rows."""

    @property
    def memory(self) -> int:
        """See ``Fold``: rows as objects take several times the bytes they are made from."""
        return OBJECT_BYTES * len(self._changed) + OBJECT_FACTOR * self._bytes

    @property
    def unwritten(self) -> int:
        """See ``Fold``."""
        return self._bytes

    def measure(self, enough: float = inf) -> None:  # noqa: ARG002
        """Count the bytes of the changed rows."""
        self._bytes = sum(len(self._table.codec.encode(row)) for row in self._changed.values())

    def forget(self) -> None:
        """Do nothing: there are only changed rows."""

    def forget_older(self) -> None:
        """Do nothing, likewise."""

    def add(self, records: Iterable[Record]) -> BadRecord | None:
        """Fold the records in, up to one that can't be decoded or applied. Raises DamagedRow."""
        for offset, key, value in records:
            try:
                self._add(offset, key, value)
            except (BadKey, Undecodable, ValueError) as error:
                return BadRecord(offset, error)
        return None

    def replace(self, stream: bytes, row: bytes) -> None:
        """See ``Fold``."""
        self._changed[stream] = self._table.codec.decode(row)
        self._bytes += len(row)

    def take(self) -> Rows:
        """See ``Fold``."""
        rows = {key: self._table.codec.encode(row) for key, row in self._changed.items()}
        self._changed.clear()
        self._bytes = 0
        return rows.items()

    def _add(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        stream, _ = parse_stream_key(key, self._table.events)
        event = event_of(stream, value, self._table.events)
        name = self._table.key(event)
        if name is None:
            return
        row = self._row(name.encode())
        if row is not None and row.first_offset < offset <= row.last_offset:
            return
        before = None if row is None or offset <= row.first_offset else row
        after = self._table.fold(before, event)
        first = offset if before is None else before.first_offset
        self._bytes += len(value or b"")
        self._changed[name.encode()] = replace(after, first_offset=first, last_offset=offset)

    def _row(self, key: bytes) -> Row | None:
        if (row := self._changed.get(key)) is not None:
            return row
        stored = self._read(key)
        if stored is None:
            return None
        self._bytes += len(stored)
        try:
            row = self._table.codec.decode(stored)
        except Undecodable as error:
            raise DamagedRow(key, error) from error
        if not isinstance(row, Row):
            raise DamagedRow(key, f"a {type(row).__name__}")
        return row
