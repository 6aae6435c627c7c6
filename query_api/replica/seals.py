"""Checksums of stored rows: they show a bit that flipped on the disk and left a value of the right type."""

import sqlite3
from collections.abc import Iterator
from zlib import crc32

import msgspec

SEALED_TABLES = ("progress", "titles", "loans", "events", "known", "checkpoints", "unreadable")
"""The last column of these tables is the seal of the others, in the order in which they are declared."""

_encode = msgspec.msgpack.Encoder().encode


def seal(values: tuple[object, ...]) -> int:
    """The checksum of a row. A bool must be given as the number that SQLite returns."""
    return crc32(_encode(values))


def sealed(values: tuple[object, ...]) -> tuple[object, ...]:
    """The row with its seal."""
    return (*values, seal(values))


def broken_seals(db: sqlite3.Connection) -> Iterator[str]:
    """The tables with a row that does not match its seal. Reads all of them. Raises sqlite3.Error."""
    for table in SEALED_TABLES:
        if any(seal(row[:-1]) != row[-1] for row in db.execute(f"SELECT * FROM {table}")):
            yield f"a row of {table} does not match its checksum"
