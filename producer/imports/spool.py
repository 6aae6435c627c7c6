"""A catalogue's rows on disk, sorted by partition: memory does not grow with the file."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from inventory.commands import AddBook

BATCH_ROWS = 1_000
"""Commands of one transaction: enough to make its commit cheap, few enough for a quick retry."""

Item = TypeVar("Item")
Rejected: TypeAlias = tuple[int, str]
"""A row's line, and the reason why it is rejected."""


class SpooledRow(Struct, frozen=True, array_like=True, gc=False):
    """A checked row and its line. Its quantity includes the copies of the rows on the lines ``repeats``."""

    line: int
    isbn: str
    title: str
    author: str
    quantity: int
    repeats: tuple[int, ...] = ()

    @property
    def command(self) -> AddBook:
        """The command that adds the row's title."""
        return AddBook(self.isbn, self.title, self.author, self.quantity)

    @property
    def lines(self) -> tuple[int, ...]:
        """The lines of all rows that the command stands for."""
        return (self.line, *self.repeats)


class SpooledKey(Struct, frozen=True, array_like=True, gc=False):
    """The first fields of a SpooledRow."""

    line: int
    isbn: str


class Spool:
    """Files in ``folder``: one for the checked rows of each partition, and some for the rejected rows."""

    def __init__(self, folder: Path, partitions: int) -> None:
        self.folder = folder
        self._buffered: list[list[SpooledRow]] = [[] for _ in range(partitions)]
        self._rejected: list[Rejected] = []
        self.counts = [0] * partitions
        """Rows to be appended, by partition."""

    def put(self, partition: int, line: int, command: AddBook) -> None:
        """Keep a checked row. Lines must rise."""
        buffered = self._buffered[partition]
        buffered.append(SpooledRow(line, command.isbn, command.title, command.author, command.quantity))
        self.counts[partition] += 1
        if len(buffered) >= BATCH_ROWS:
            self._flush(partition)

    def reject(self, line: int, reason: str) -> None:
        """Keep the reason why a row is rejected. Lines must rise."""
        self._rejected.append((line, reason))
        if len(self._rejected) >= BATCH_ROWS:
            self._flush_rejected()

    def finish(self) -> None:
        """Write the rows that are still in memory."""
        for partition, buffered in enumerate(self._buffered):
            if buffered:
                self._flush(partition)
        self._flush_rejected()

    def replace(self, partition: int, rows: Iterable[SpooledRow]) -> None:
        """Replace a partition's rows. ``rows`` may be read from the rows that are there."""
        file, new = _rows_file(self.folder, partition), self.folder / "replacement"
        count, batch = 0, list[SpooledRow]()
        new.touch()
        for row in rows:
            batch.append(row)
            count += len(row.lines)
            if len(batch) == BATCH_ROWS:
                _append(new, batch)
                batch = []
        if batch:
            _append(new, batch)
        new.replace(file)
        self.counts[partition] = count

    def _flush(self, partition: int) -> None:
        _append(_rows_file(self.folder, partition), self._buffered[partition])
        self._buffered[partition] = []

    def _flush_rejected(self) -> None:
        if self._rejected:
            _append(self.folder / "rejected-read", self._rejected)
        self._rejected = []


def spooled_batches(folder: Path, partition: int) -> Iterator[list[SpooledRow]]:
    """The partition's rows in the file's order, in batches for one transaction."""
    yield from _frames(_rows_file(folder, partition), _ROWS)


def spooled_isbns(folder: Path, partition: int) -> Iterator[str]:
    """The ISBN of each of the partition's rows, in the file's order."""
    for keys in _frames(_rows_file(folder, partition), _KEYS):
        for key in keys:
            yield key.isbn


def keep_rejected(folder: Path, name: str, rejected: Sequence[Rejected]) -> None:
    """Keep rows that are rejected after the file is read. Within a ``name`` lines must rise."""
    _append(folder / f"rejected-{name}", rejected)


def keep_rejected_repeats(folder: Path, partition: int, rejected: Sequence[Rejected]) -> None:
    """Keep rows that are rejected with the row whose copies they add to, in any order."""
    _append(folder / f"repeats-{partition}", rejected)


def all_rejected(folder: Path) -> Iterator[Rejected]:
    """All rejected rows in the file's order."""
    repeats = sorted(chain.from_iterable(map(_rejected_in, folder.glob("repeats-*"))))
    return heapq.merge(repeats, *map(_rejected_in, folder.glob("rejected-*")))


def _rejected_in(file: Path) -> Iterator[Rejected]:
    for frame in _frames(file, _REJECTED):
        yield from frame


def _rows_file(folder: Path, partition: int) -> Path:
    return folder / f"rows-{partition}"


_KEYS = msgspec.msgpack.Decoder(list[SpooledKey])
_ROWS = msgspec.msgpack.Decoder(list[SpooledRow])
_REJECTED = msgspec.msgpack.Decoder(list[Rejected])
_encode = msgspec.msgpack.Encoder().encode


def _append(file: Path, items: Sequence[object]) -> None:
    frame = _encode(items)
    with file.open("ab") as opened:
        opened.write(len(frame).to_bytes(4, "little"))
        opened.write(frame)


def _frames(file: Path, decoder: msgspec.msgpack.Decoder[list[Item]]) -> Iterator[list[Item]]:
    if not file.exists():
        return
    with file.open("rb") as opened:
        while size := opened.read(4):
            yield decoder.decode(opened.read(int.from_bytes(size, "little")))
