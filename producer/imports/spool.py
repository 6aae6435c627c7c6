"""A catalogue's rows on disk, sorted by partition, so that memory does not grow with the file."""

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from inventory.commands import AddBook

AT_ONCE = 1_000
"""Commands of a transaction: enough that its commit does not count, few enough for a quick retry."""

Row = TypeVar("Row")
Refusal: TypeAlias = tuple[int, str]
"""A row's number and why it is refused."""


class Spooled(Struct, frozen=True, array_like=True, gc=False):
    """Row ``number`` of the file, checked."""

    number: int
    isbn: str
    title: str
    author: str
    quantity: int

    @property
    def command(self) -> AddBook:
        """What the row amounts to."""
        return AddBook(self.isbn, self.title, self.author, self.quantity)


class Spool:
    """Writes checked rows to a file for each partition, and refused ones to another, below ``folder``."""

    def __init__(self, folder: Path, partitions: int) -> None:
        self.folder = folder
        self._waiting: list[list[Spooled]] = [[] for _ in range(partitions)]
        self._refused: list[Refusal] = []
        self.counts = [0] * partitions
        """Commands of each partition."""
        self.refused = 0
        """Rows refused while the file was read."""

    def put(self, partition: int, number: int, command: AddBook) -> None:
        """Keep row ``number`` for the partition; numbers rise."""
        waiting = self._waiting[partition]
        waiting.append(Spooled(number, command.isbn, command.title, command.author, command.quantity))
        self.counts[partition] += 1
        if len(waiting) >= AT_ONCE:
            self._flush(partition)

    def refuse(self, number: int, reason: str) -> None:
        """Keep why row ``number`` is refused; numbers rise."""
        self._refused.append((number, reason))
        self.refused += 1
        if len(self._refused) >= AT_ONCE:
            self._flush_refused()

    def finish(self) -> None:
        """Write what is still in memory."""
        for partition, waiting in enumerate(self._waiting):
            if waiting:
                self._flush(partition)
        self._flush_refused()

    def _flush(self, partition: int) -> None:
        _append(_commands_file(self.folder, partition), self._waiting[partition])
        self._waiting[partition] = []

    def _flush_refused(self) -> None:
        _append(self.folder / "refused-0", self._refused)
        self._refused = []


def commands(folder: Path, partition: int) -> Iterator[list[Spooled]]:
    """The partition's commands in the file's order, as many at a time as a transaction takes."""
    yield from _frames(_commands_file(folder, partition), _COMMANDS)


def refuse_later(folder: Path, partition: int, refused: list[Refusal]) -> None:
    """Keep rows that were refused when they were to be appended; numbers rise within a partition."""
    _append(folder / f"refused-{partition + 1}", refused)


def all_refused(folder: Path) -> Iterator[Refusal]:
    """All refused rows in the file's order."""
    return heapq.merge(*(_refusals(file) for file in folder.glob("refused-*")))


def _refusals(file: Path) -> Iterator[Refusal]:
    for frame in _frames(file, _REFUSED):
        yield from frame


def _commands_file(folder: Path, partition: int) -> Path:
    return folder / f"commands-{partition}"


_COMMANDS = msgspec.msgpack.Decoder(list[Spooled])
_REFUSED = msgspec.msgpack.Decoder(list[Refusal])
_ENCODE = msgspec.msgpack.Encoder().encode


def _append(file: Path, rows: Sequence[object]) -> None:
    frame = _ENCODE(rows)
    with file.open("ab") as opened:
        opened.write(len(frame).to_bytes(4, "little"))
        opened.write(frame)


def _frames(file: Path, decoder: msgspec.msgpack.Decoder[list[Row]]) -> Iterator[list[Row]]:
    if not file.exists():
        return
    with file.open("rb") as opened:
        while size := opened.read(4):
            yield decoder.decode(opened.read(int.from_bytes(size, "little")))
