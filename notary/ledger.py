"""The leaves of one partition, in files, and the checks that an event passes before it becomes a leaf.

``leaves-<partition>`` has 32 bytes an event, ``offsets-<partition>`` the offset of each as a 64-bit
big-endian number: the event with the index ``i`` is leaf ``i``. ``state-<partition>`` spares reading the
partition again at a start. A start reads from the last event that the state includes: leaves that the files
have already are compared, and later ones appended.
"""

import logging
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import IO

import msgspec
from msgspec import Struct

from eventstore.keys import SMALL_VERSIONS
from evidence.checkpoint import Checkpoint
from evidence.leaf import HASH_BYTES, record_hash
from evidence.merkle import Frontier
from evidence.transaction import MAX_EVENTS
from notary.record import Record
from notary.refusal import Reason, Refused
from notary.signatures import Signatures

OFFSET_BYTES = 8
SAVE_LEAVES = 50_000
"""Leaves after which the state is saved, or as many as there are streams: a start reads so many again."""
_CHUNK_LEAVES = 100_000

log = logging.getLogger(__name__)


class State(Struct, frozen=True, kw_only=True):
    """What a ledger knows of the first ``size`` leaves. Its file has its SHA-256 before it."""

    size: int = 0
    last_offset: int = -1
    """The offset of the last of these leaves; -1: there are none."""
    examined: int = 0
    """Up to this offset no record is outside a transaction."""
    frontier: list[bytes] = []
    versions: dict[bytes, int] = {}
    """The last version of each stream."""
    signatures: bool | None = None
    """Whether a writer has signed one of these leaves; None: nobody has looked."""


class Ledger:
    """Takes the records of a partition in order. All methods raise OSError, besides what they name.

    ``refused`` is set by the caller, who then adds nothing more. ``signatures`` examines those of writers.
    """

    def __init__(self, folder: Path, partition: int, signatures: Signatures | None = None) -> None:
        self.partition, self.refused = partition, False
        self._signatures = signatures
        self._state_file = folder / f"state-{partition}"
        self._leaves, self._offsets = (
            _opened(folder / f"leaves-{partition}"),
            _opened(folder / f"offsets-{partition}"),
        )
        self._stored = min(_size(self._leaves) // HASH_BYTES, _size(self._offsets) // OFFSET_BYTES)
        # Written one after the other: a killed process leaves one of them longer
        self._leaves.truncate(self._stored * HASH_BYTES)
        self._offsets.truncate(self._stored * OFFSET_BYTES)
        state = self._loaded()
        self.last_offset, self.examined, self._versions = state.last_offset, state.examined, state.versions
        self._frontier, self._saved_size = Frontier(state.size, state.frontier), state.size
        if signatures is not None:
            signatures.resume(bool(state.signatures), self._last_leaves(MAX_EVENTS))
        self._unconfirmed = False
        self.begin_again()
        self._signed: Checkpoint | None = None
        self.signed_size = 0

    @property
    def size(self) -> int:
        """The number of leaves that were read."""
        return self._frontier.size

    @property
    def begin(self) -> int:
        """The offset at which reading begins: that of the last event that was read, which is compared."""
        return max(0, self.last_offset)

    def begin_again(self) -> None:
        """Let the next record be the one at ``begin``, which is compared."""
        self._unconfirmed = self.size > 0
        if self._signatures is not None:
            self._signatures.drop()

    def checkpoint(self, origin: str) -> Checkpoint:
        """The current size and root. All leaves are on the disk then."""
        for file in (self._leaves, self._offsets):
            os.fsync(file.fileno())
        return Checkpoint(origin, self.size, self._frontier.root())

    def take(self, records: Sequence[Record]) -> None:
        """Add the next records. Raises Refused at the first that can't be signed; those before are added."""
        if records and self._unconfirmed:
            self._confirm(records[0])
            records = records[1:]
        if self._signatures is not None:
            records = self._signatures.whole(records)
        examine = None if self._signatures is None else self._signatures.add
        leaves: list[bytes] = []
        offsets: list[int] = []
        versions, known = self._versions, self._versions.get
        try:
            for record in records:
                key = record.key
                stream, _, digits = (key or b"").rpartition(b"/")
                version = known(stream, 0) + 1
                same = SMALL_VERSIONS.get(digits) == version or digits == b"%d" % version
                if not (same and stream):
                    raise self._unexpected(record, version - 1)
                leaf = record_hash(record.timestamp, key, record.value, record.headers)
                if examine is not None:
                    examine(record, leaf)
                leaves.append(leaf)
                versions[stream] = version
                offsets.append(record.offset)
        finally:
            self._add(leaves, offsets)

    def note_examined(self, start: int, end: int, outside: int | None) -> None:
        """Note that the offsets from ``start`` to ``end`` were examined for records outside a transaction."""
        if outside is None and start <= self.examined:
            self.examined = max(self.examined, end)

    def expect(self, signed: Checkpoint) -> None:
        """Compare with the last checkpoint: at once, or when as many leaves were read. Raises Refused."""
        self.signed_size = signed.size
        if signed.size > self.size:
            self._signed = signed
        elif _frontier(self._leaves, signed.size).root() != signed.root:
            raise self._other_root(signed)

    def require_span(self, beginning: int, end: int) -> None:
        """Raises Refused if the partition lacks its first or its last event that was ever read."""
        if not self._stored:
            return
        if beginning > (first := self._offset(0)):
            raise Refused(
                Reason.SHORTER,
                f"partition {self.partition} begins at offset {beginning}, but its first event was at "
                f"{first}",
            )
        if end <= (last := self._offset(self._stored - 1)):
            raise Refused(
                Reason.SHORTER,
                f"partition {self.partition} ends at offset {end}, but an event at offset {last} was read, "
                f"leaf {self._stored - 1}",
            )

    def require_signed(self) -> None:
        """As ``require_length``, and raises Refused if the last events of all lack a writer's signature."""
        if self._signatures is not None:
            self._signatures.require_signed()
        self.require_length()

    def require_length(self) -> None:
        """Raises Refused if the partition has fewer events than were signed: all that it had were read."""
        if self._signed is not None:
            raise Refused(
                Reason.SHORTER,
                f"partition {self.partition} has {self.size} events, but {self._signed.size} were signed",
            )

    def index(self, offset: int) -> int:
        """The index of the first leaf at or after an offset."""
        low, high = 0, self._stored
        while low < high:
            middle = (low + high) // 2
            if self._offset(middle) < offset:
                low = middle + 1
            else:
                high = middle
        return low

    def save_if_large(self) -> None:
        """Save the state if a start without it would read much."""
        if self.size - self._saved_size >= max(SAVE_LEAVES, len(self._versions)):
            self.save()

    def save(self) -> None:
        """Save the state: the next start continues here."""
        if self.refused or self._unconfirmed or self.size < self._stored or self.size == self._saved_size:
            return
        state = State(
            size=self.size,
            last_offset=self.last_offset,
            examined=self.examined,
            frontier=self._frontier.hashes,
            versions=self._versions,
            signatures=None if self._signatures is None else self._signatures.begun,
        )
        data = msgspec.msgpack.encode(state)
        aside = self._state_file.with_suffix(".new")
        with aside.open("wb") as file:
            file.write(sha256(data).digest() + data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._state_file)
        self._saved_size = self.size

    def close(self) -> None:
        """Save the state, and close the files."""
        self.save()
        self._leaves.close()
        self._offsets.close()

    def _loaded(self) -> State:
        try:
            content = self._state_file.read_bytes()
        except FileNotFoundError:
            return State()
        digest, data = content[:HASH_BYTES], content[HASH_BYTES:]
        try:
            if sha256(data).digest() == digest:
                state = msgspec.msgpack.decode(data, type=State)
                if self._signatures is not None and state.signatures is None:
                    log.info("partition %d is read again: its signatures were not examined", self.partition)
                    return State()
                if state.size <= self._stored and len(state.frontier) == state.size.bit_count():
                    return state
        except msgspec.DecodeError as error:
            log.warning("%s can't be read: %s", self._state_file, error)
        log.warning("%s is not used: partition %d is read again", self._state_file, self.partition)
        return State()

    def _confirm(self, record: Record) -> None:
        """Compare the last event that was read with the record at its offset."""
        leaf = record_hash(record.timestamp, record.key, record.value, record.headers)
        if record.offset != self.last_offset or leaf != self._leaf(self.size - 1):
            raise Refused(
                Reason.CHANGED,
                f"leaf {self.size - 1} of partition {self.partition}, the event at offset "
                f"{self.last_offset}, is another one now, or is gone",
            )
        self._unconfirmed = False

    def _add(self, leaves: list[bytes], offsets: list[int]) -> None:
        """Compare the leaves that the files have already, and append the others."""
        known = min(self._stored - self.size, len(leaves))
        if known > 0:
            self._compare(leaves[:known], offsets[:known])
        if new := leaves[max(0, known) :]:
            self._leaves.write(b"".join(new))
            self._offsets.write(pack(f">{len(new)}q", *offsets[max(0, known) :]))
            self._leaves.flush()
            self._offsets.flush()
            self._stored += len(new)
        if leaves:
            self._add_to_tree(leaves)
            self.last_offset = offsets[-1]

    def _compare(self, leaves: list[bytes], offsets: list[int]) -> None:
        stored = _read(self._leaves, self.size * HASH_BYTES, len(leaves) * HASH_BYTES)
        if stored == b"".join(leaves):
            return
        index = next(
            index
            for index, leaf in enumerate(leaves)
            if leaf != stored[index * HASH_BYTES : (index + 1) * HASH_BYTES]
        )
        raise Refused(
            Reason.CHANGED,
            f"leaf {self.size + index} of partition {self.partition} was read before at offset "
            f"{self._offset(self.size + index)}: the event at offset {offsets[index]} is another one",
        )

    def _add_to_tree(self, leaves: list[bytes]) -> None:
        signed = self._signed
        if signed is not None and self.size + len(leaves) >= signed.size:
            before = signed.size - self.size
            self._frontier.add(leaves[:before])
            if self._frontier.root() != signed.root:
                raise self._other_root(signed)
            self._signed, leaves = None, leaves[before:]
        self._frontier.add(leaves)

    def _other_root(self, signed: Checkpoint) -> Refused:
        return Refused(
            Reason.OTHER_ROOT,
            f"the first {signed.size} events of partition {self.partition} are not those of its checkpoint",
        )

    def _unexpected(self, record: Record, known: int) -> Refused:
        """The refusal of a record whose key does not follow from its stream's last version."""
        key, where = record.key, f"offset {record.offset} of partition {self.partition}"
        stream, _, digits = (key or b"").rpartition(b"/")
        if not stream or not digits.isdigit() or digits[:1] == b"0":
            return Refused(Reason.NO_EVENT, f"{where} has key {key!r}, which names no stream and version")
        if int(digits) <= known:
            return Refused(
                Reason.REPEATED,
                f"{where} has key {key!r}, which occurred before: {known} is the last version",
            )
        return Refused(Reason.GAP, f"{where} has key {key!r}, but version {known} is the last one before it")

    def _last_leaves(self, count: int) -> list[bytes]:
        first = max(0, self.size - count)
        data = _read(self._leaves, first * HASH_BYTES, (self.size - first) * HASH_BYTES)
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]

    def _leaf(self, index: int) -> bytes:
        return _read(self._leaves, index * HASH_BYTES, HASH_BYTES)

    def _offset(self, index: int) -> int:
        return int.from_bytes(_read(self._offsets, index * OFFSET_BYTES, OFFSET_BYTES), "big")


def _opened(path: Path) -> IO[bytes]:
    return path.open("a+b")


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _read(file: IO[bytes], start: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, start)


def _frontier(leaves: IO[bytes], size: int) -> Frontier:
    """The tree of the first ``size`` leaves of a file."""
    frontier = Frontier()
    for start in range(0, size, _CHUNK_LEAVES):
        chunk = _read(leaves, start * HASH_BYTES, min(_CHUNK_LEAVES, size - start) * HASH_BYTES)
        frontier.add(chunk[at : at + HASH_BYTES] for at in range(0, len(chunk), HASH_BYTES))
    return frontier
