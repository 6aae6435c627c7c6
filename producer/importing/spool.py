"""A catalogue's rows on disk, sorted by partition, so that memory does not grow with the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import Self

from msgspec import Struct

from inventory.commands import AddBook

_AT_ONCE = 2_000


class Spooled(Struct, frozen=True):
    """Row ``number`` of the file as a checked command."""

    number: int
    command: AddBook


class Spool:
    """Commands by partition, and refused rows by number; gone when it is closed, or its process dies."""

    def __init__(self, partitions: int) -> None:
        # An SQLite database without a name is a temporary file that has no name in the file system either
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE refused (number INTEGER PRIMARY KEY, reason TEXT)")
        for partition in range(partitions):
            self._database.execute(
                f"CREATE TABLE p{partition} (number INTEGER PRIMARY KEY, isbn, title, author, quantity)"
            )
        self._waiting: list[list[tuple[int, str, str, str, int]]] = [[] for _ in range(partitions)]
        self.counts = [0] * partitions
        """Commands of each partition."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def put(self, partition: int, number: int, command: AddBook) -> None:
        """Keep row ``number`` for the partition; numbers rise."""
        waiting = self._waiting[partition]
        waiting.append((number, command.isbn, command.title, command.author, command.quantity))
        self.counts[partition] += 1
        if len(waiting) >= _AT_ONCE:
            self._flush(partition)

    def refuse(self, number: int, reason: str) -> None:
        """Keep why row ``number`` is refused."""
        self._database.execute("INSERT INTO refused VALUES (?, ?)", (number, reason))

    def commands(self, partition: int, at_once: int) -> Iterator[list[Spooled]]:
        """The partition's commands in the file's order, ``at_once`` at a time."""
        self._flush(partition)
        with closing(self._database.execute(f"SELECT * FROM p{partition} ORDER BY number")) as found:
            while batch := found.fetchmany(at_once):
                yield [Spooled(number, AddBook(*fields)) for number, *fields in batch]

    def refused(self) -> Iterator[tuple[int, str]]:
        """Refused rows with their reasons, in the file's order."""
        yield from self._database.execute("SELECT number, reason FROM refused ORDER BY number")

    @property
    def refusals(self) -> int:
        """How many rows are refused."""
        return int(self._database.execute("SELECT count(*) FROM refused").fetchone()[0])

    def _flush(self, partition: int) -> None:
        waiting = self._waiting[partition]
        self._database.execute("BEGIN")
        self._database.executemany(f"INSERT INTO p{partition} VALUES (?, ?, ?, ?, ?)", waiting)
        self._database.execute("COMMIT")
        waiting.clear()
