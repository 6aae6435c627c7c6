"""What the audit knows of each title, on disk: the row that its events make, and a digest of the table's."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

DIGEST_BYTES = 16
CACHE_KB = 32 * 1024
"""Of the file that is kept in memory."""
_TABLE = """
CREATE TABLE titles (
    partition INTEGER NOT NULL,
    key BLOB NOT NULL,
    expected BLOB,
    event INTEGER,
    found BLOB,
    record INTEGER,
    differs INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, key)
) WITHOUT ROWID
"""
_INDEX = "CREATE INDEX differing ON titles (partition) WHERE differs"
_EXPECT = """
INSERT INTO titles (partition, key, expected, event) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET expected = excluded.expected, event = excluded.event
"""
_FIND = """
INSERT INTO titles (partition, key, found, record) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET found = excluded.found, record = excluded.record
"""
_COLUMNS = "SELECT key, expected, event, found, record, differs FROM titles"


class Entry(NamedTuple):
    """A title of a partition."""

    key: bytes
    expected: bytes | None
    """The encoded row that the events make; None: there are none."""
    event: int | None
    """The offset of the last event that is in ``expected``."""
    found: bytes | None
    """The digest of the table's encoded row; None: the table has none."""
    record: int | None
    """The offset of that row, or of its deletion, in the changelog."""
    differs: bool
    """Whether it was marked as differing."""

    @property
    def matches(self) -> bool:
        """Whether the table has the row that the events make."""
        return self.found == (None if self.expected is None else digest(self.expected))


class Expected(NamedTuple):
    """The encoded row of a title as of the event at this offset."""

    row: bytes
    event: int


class Found(NamedTuple):
    """The digest of the table's row as the changelog has it at this offset; None: it is deleted."""

    digest: bytes | None
    record: int


def digest(row: bytes) -> bytes:
    """Enough of an encoded row to recognise another one."""
    return blake2b(row, digest_size=DIGEST_BYTES).digest()


class Titles:
    """A file in ``folder`` that ends with this process, however it ends: it can be computed again.

    Raises sqlite3.Error where the disk can't be used.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Read by SQLite when it opens a database without a name: its file has no name, either
        os.environ["SQLITE_TMPDIR"] = str(folder)
        self._file = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KB}"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute(_TABLE)
        self._file.execute(_INDEX)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def expected(self, partition: int, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """The encoded rows of these titles, as their events make them."""
        found = {}
        for key in keys:
            row = self._file.execute(
                "SELECT expected FROM titles WHERE partition = ? AND key = ?", (partition, key)
            ).fetchone()
            found[key] = None if row is None else row[0]
        return found

    def expect(self, partition: int, rows: Mapping[bytes, Expected]) -> None:
        """Replace what the events make of these titles."""
        self._write(_EXPECT, [(partition, key, row, event) for key, (row, event) in sorted(rows.items())])

    def find(self, partition: int, rows: Mapping[bytes, Found]) -> None:
        """Replace what the table has of these titles."""
        self._write(_FIND, [(partition, key, found, at) for key, (found, at) in sorted(rows.items())])

    def forget_table(self, partition: int) -> None:
        """Begin to read the table's partition anew: nothing of it is known."""
        self._file.execute("DELETE FROM titles WHERE partition = ? AND expected IS NULL", (partition,))
        self._file.execute("UPDATE titles SET found = NULL, record = NULL WHERE partition = ?", (partition,))

    def forget(self, partition: int) -> None:
        """Forget the whole partition."""
        self._file.execute("DELETE FROM titles WHERE partition = ?", (partition,))

    def entries(self, partition: int, keys: Iterable[bytes]) -> list[Entry]:
        """Those of these titles that are known."""
        statement = f"{_COLUMNS} WHERE partition = ? AND key = ?"
        rows = (self._file.execute(statement, (partition, key)).fetchone() for key in sorted(keys))
        return [_entry(row) for row in rows if row is not None]

    def entries_after(self, partition: int, key: bytes, limit: int) -> list[Entry]:
        """The next titles of the partition in the order of their keys."""
        statement = f"{_COLUMNS} WHERE partition = ? AND key > ? ORDER BY key LIMIT ?"
        return [_entry(row) for row in self._file.execute(statement, (partition, key, limit))]

    def mark(self, partition: int, keys: Iterable[bytes], differs: bool) -> None:
        """Remember whether the rows of these titles differ."""
        statement = "UPDATE titles SET differs = ? WHERE partition = ? AND key = ?"
        self._write(statement, [(int(differs), partition, key) for key in keys])

    def differing(self, partition: int) -> int:
        """The number of titles of the partition that are marked as differing."""
        statement = "SELECT count(*) FROM titles WHERE partition = ? AND differs"
        return int(self._file.execute(statement, (partition,)).fetchone()[0])

    def count(self, partition: int) -> int:
        """The number of titles."""
        statement = "SELECT count(*) FROM titles WHERE partition = ?"
        return int(self._file.execute(statement, (partition,)).fetchone()[0])

    def _write(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        self._file.execute("BEGIN")
        self._file.executemany(statement, rows)
        self._file.execute("COMMIT")


def _entry(row: tuple[Any, ...]) -> Entry:
    key, expected, event, found, record, differs = row
    return Entry(key, expected, event, found, record, bool(differs))
