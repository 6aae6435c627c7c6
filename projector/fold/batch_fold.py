"""The inventory's fold of a batch: one row for each changed title, whatever the number of its events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import TypeAlias

from eventstore.keys import BadKey
from eventstore.table_position import CODEC as POSITION_CODEC
from eventstore.table_position import POSITION_KEY, TablePosition
from inventory.projection import project, title_row
from inventory.row_fold import Gap
from projector.batched_faust.batch import Record
from projector.fold import wire_form, wire_row
from projector.fold.wire_form import WireRow
from projector.projection import BadRecord, DamagedRow, Discontinuous, Projection, Read, Rows
from schemas.codec import CODEC, Undecodable, decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow
from schemas.tables import inventory_table
from schemas.topics import INVENTORY

ROW_BYTES = 210
"""Memory of a row without its texts and loans, in the fold's dictionaries (measured, CPython 3.11)."""
DECODED_ROW_BYTES, DECODED_LOAN_BYTES = 1_500, 150
"""What a decoded row and each of its loans take besides their content."""
FIRST = b"/1"
"""The end of the key of a title's first event."""

_State: TypeAlias = WireRow | InventoryRow


class PartitionFold:
    """Folds the batches of one partition in order: ``add`` events, then ``take`` the changed rows.

    Rows stay in memory until ``forget`` is called twice without an event of their title in between. A fold
    that missed a batch, or whose rows were not stored, must be discarded: ``read`` (the stored row by key) is
    the truth.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        # In a replay, version 1 comes again and starts the row anew; beyond the table's position it does not
        self._unseen_from = _position(read(POSITION_KEY))
        self._recent: dict[bytes, _State] = {}
        self._older: dict[bytes, _State] = {}
        self._changed: list[bytes] = []
        """Keys of ``_recent`` to write. A WireRow notes that its key is here: most events change nothing."""
        self._slow_changed: set[bytes] = set()
        """The keys there whose rows can't note it."""
        self._content_bytes = 0
        """Of the events and stored rows since the last count."""
        self._overhead_bytes = 0
        """Of the decoded rows that came with them, besides their content."""
        self._memory = 0
        self._unwritten = 0

    @property
    def memory(self) -> int:
        """See ``Fold``."""
        return self._memory + self._content_bytes + self._overhead_bytes + ROW_BYTES * len(self._recent)

    @property
    def unwritten(self) -> int:
        """See ``Fold``."""
        return self._unwritten + self._content_bytes

    def measure(self, enough: float = inf) -> None:
        """See ``Fold``. It takes about a microsecond a row."""
        if ROW_BYTES * len(self._recent) > enough:
            return
        self._content_bytes = self._overhead_bytes = 0
        self._memory = sum(map(_memory, self._recent.values()))
        self._unwritten = sum(_encoded_bytes(self._recent[name]) for name in self._changed)

    def forget(self) -> None:
        """See ``Fold``."""
        self._older, self._recent = self._recent, {}
        self._memory = self._unwritten = self._content_bytes = self._overhead_bytes = 0

    def forget_older(self) -> None:
        """See ``Fold``."""
        self._older = {}

    def add(self, records: Sequence[Record]) -> BadRecord | None:
        """Fold the records in, up to one that names no title.

        Raises DamagedRow and Discontinuous.
        """
        recent, changed, content = self._recent, self._changed, 0
        apply = wire_row.apply
        for offset, key, value in records:
            name = key[:13] if key is not None else b""
            state = recent.get(name)
            if type(state) is bytes and key and value and (after := apply(state, name, key, value)):
                # Not yet to be written
                if not state[0]:
                    changed.append(name)
                recent[name] = after
                content += len(value)
                continue
            content += len(value or b"")
            if state is None and offset < self._unseen_from and self._begins(name, key, value):
                continue
            if (bad := self._add_slowly(offset, key, value, name, state)) is not None:
                return bad
        self._content_bytes += content
        return None

    def _add_slowly(
        self, offset: int, key: bytes | None, value: bytes | None, name: bytes, state: _State | None
    ) -> BadRecord | None:
        """Fold in one record in any case. Returns and raises as ``add``."""
        try:
            isbn, version = parse_title_key(key)
        except BadKey as error:
            return BadRecord(offset, error)
        if version == 1 and offset >= self._unseen_from and (state or self._remembered(name)):
            raise Discontinuous(isbn, offset, f"{isbn}: version 1 was written again at offset {offset}")
        if version == 1 and value:
            if self._added(name, value):
                return None
            state = None
        if state is None:
            state = self._remembered(name)
            if type(state) is bytes and key and value and (wire := wire_row.apply(state, name, key, value)):
                self._change(name, wire)
                return None
        if state is not None and 1 < version <= _version(state):
            return None
        row = _row(name, state)
        try:
            after = project(row, isbn, version, offset, value)
        except Gap as gap:
            raise Discontinuous(isbn, offset, gap) from gap
        if after is not row:
            state = wire_row.of(after) or after
            self._overhead_bytes += _object_bytes(state)
            self._change(name, state)
        return None

    def _begins(self, name: bytes, key: bytes | None, value: bytes | None) -> bool:
        """Start the row of a title that is new, or read again from its first event. False: the slow way."""
        # Parsing the key takes half as long as all the rest
        if key is None or key[13:] != FIRST or not name.isdigit() or not value:
            return False
        return self._added(name, value)

    def _added(self, name: bytes, value: bytes) -> bool:
        """Start the row of a title by its first event. False: the event has to take the slow path."""
        if (state := wire_row.added(name, value)) is None:
            return False
        self._change(name, state)
        return True

    def _change(self, name: bytes, state: _State) -> None:
        """Keep the title's row, to be written."""
        before = self._recent.get(name)
        noted = wire_form.is_changed(before) if isinstance(before, WireRow) else name in self._slow_changed
        if not noted:
            self._changed.append(name)
        if isinstance(state, WireRow):
            state = wire_form.marked(state, changed=True)
        else:
            self._slow_changed.add(name)
        self._recent[name] = state

    def replace(self, stream: bytes, row: bytes) -> None:
        """See ``Fold``. Raises DamagedRow."""
        self._unseen_from = _position(self._read(POSITION_KEY))
        self._change(stream, _state(stream, row))
        self._content_bytes += len(row)

    def take(self) -> Rows:
        """See ``Fold``."""
        rows = _Changed(self._changed, self._recent)
        self._changed = []
        self._slow_changed.clear()
        for name in rows.names:
            state = self._recent[name]
            if isinstance(state, WireRow):
                self._recent[name] = wire_form.marked(state, changed=False)
        self._memory += self._content_bytes
        self._unwritten = self._content_bytes = 0
        return rows

    def _remembered(self, name: bytes) -> _State | None:
        state = self._older.get(name)
        if state is not None:
            self._content_bytes += _encoded_bytes(state)
        elif (stored := self._read(name)) is not None:
            self._content_bytes += len(stored)
            state = _state(name, stored)
        if state is not None:
            self._overhead_bytes += _object_bytes(state)
            self._recent[name] = state
        return state


class _Changed:
    """The changed rows among ``states``, each encoded at every look."""

    def __init__(self, names: list[bytes], states: dict[bytes, _State]) -> None:
        self.names, self._states = names, states

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        states = self._states
        for name in self.names:
            state = states[name]
            yield name, wire_form.encoded(state, name) if isinstance(state, WireRow) else encode(state)


def _position(stored: bytes | None) -> float:
    """The offset from which events are new to the table; infinite if that is not known."""
    if stored is None:
        return inf
    try:
        position: TablePosition = POSITION_CODEC.decode(stored)
    except Undecodable:
        return inf
    return position.next


def _state(name: bytes, stored: bytes) -> _State:
    """The title's row to fold events into. Raises DamagedRow."""
    if (state := wire_row.stored(name, stored)) is not None:
        return state
    row = _decoded(name, stored)
    return wire_row.of(row, stored) or row


def _decoded(name: bytes, stored: bytes) -> InventoryRow:
    """The title's row. Raises DamagedRow."""
    try:
        row = decode(stored)
    except Undecodable as error:
        raise DamagedRow(name, error) from error
    if not isinstance(row, InventoryRow) or row.isbn.encode() != name:
        raise DamagedRow(name, f"a {type(row).__name__} under the key of another row")
    return row


def _version(state: _State) -> int:
    return wire_form.version_of(state) if isinstance(state, WireRow) else state.version


def _row(name: bytes, state: _State | None) -> InventoryRow | None:
    if not isinstance(state, WireRow):
        return state
    row = decode(wire_form.encoded(state, name))
    assert isinstance(row, InventoryRow)
    return row


def _memory(state: _State) -> int:
    """Bytes of memory besides ROW_BYTES, roughly."""
    return _encoded_bytes(state) + _object_bytes(state)


def _object_bytes(state: _State) -> int:
    if isinstance(state, WireRow):
        return 0
    return DECODED_ROW_BYTES + DECODED_LOAN_BYTES * len(state.loans)


def _encoded_bytes(state: _State) -> int:
    if isinstance(state, WireRow):
        return len(state)
    return len(encode(state))


def _recomputed(isbn: str, records: Iterable[Record]) -> bytes | None:
    row = title_row(isbn, records)
    return None if row is None else encode(row)


INVENTORY_PROJECTION = Projection(INVENTORY, PartitionFold, CODEC, _recomputed)
"""The first inventory table."""


def inventory_projection(number: int) -> Projection:
    """The inventory table with this number: the same fold under other names."""
    return replace(INVENTORY_PROJECTION, table=inventory_table(number))
