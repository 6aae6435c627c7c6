"""Records of one partition, put aside on disk by slices of its titles: a slice fits into memory."""

import os
from collections.abc import Iterator
from typing import IO, Generic, TypeVar
from zlib import crc32

from msgspec.msgpack import Decoder, Encoder

EVENTS = 20_000
"""Of the titles in one slice, about. They fold no faster in smaller slices, and in larger ones their rows do
not fit into the processor's caches."""
CHUNK_RECORDS, LEAST_RECORDS = 100, 10
"""Of one slice, written and read together: fewer where there are many slices."""
WAITING_RECORDS = 10_000
"""In memory before they are written, of all slices."""

Record = TypeVar("Record")


def slices_for(events: int) -> int:
    """The number of slices for the titles with this many events."""
    return max(1, -(-events // EVENTS))


class Slices(Generic[Record]):
    """Records at the end of ``file``, which others may use, too. Those of a slice keep their order.

    Whatever its records are, a title is in the same slice of ``count``.
    """

    def __init__(self, file: IO[bytes], count: int, decoder: Decoder[list[Record]]) -> None:
        self._file, self._encode, self._decode = file, Encoder().encode, decoder.decode
        self._waiting: list[list[Record]] = [[] for _ in range(count)]
        self._chunks: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        """Start and length of what was written of each slice."""
        self._enough = max(LEAST_RECORDS, min(CHUNK_RECORDS, WAITING_RECORDS // count))

    def add(self, isbn: str, record: Record) -> None:
        """Put the title's next record aside. Raises OSError."""
        number = crc32(isbn.encode()) % len(self._waiting)
        waiting = self._waiting[number]
        waiting.append(record)
        if len(waiting) == self._enough:
            self._write(number)

    def write(self) -> None:
        """Write what waits. Raises OSError.

        A few records that wait may keep whole arenas of Python's allocator, in which all others were freed.
        """
        for number, waiting in enumerate(self._waiting):
            if waiting:
                self._write(number)

    def of(self, number: int) -> Iterator[Record]:
        """The records of a slice. Raises OSError."""
        for start, length in self._chunks[number]:
            self._file.seek(start)
            yield from self._decode(self._file.read(length))
        yield from self._waiting[number]

    def _write(self, number: int) -> None:
        chunk = self._encode(self._waiting[number])
        self._waiting[number].clear()
        self._chunks[number].append((self._file.seek(0, os.SEEK_END), len(chunk)))
        self._file.write(chunk)
