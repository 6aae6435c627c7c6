"""A sorted map in an SQLite file that notices damage: what it says is there, and what it says is not.

Each entry has a seal, a checksum over its key, its value and the next entry's key. A key that is not there
lies between an entry and the one that entry names as its next; so absence is sealed as well, and a page of
random bytes can't make a title or a command id vanish unnoticed, which SQLite alone does not promise.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

ROOT = b""
"""The first key, which always exists; the last entry's next is it again."""


class Damaged(Exception):
    """The file does not hold what was once put in."""


class SealedMap:
    """An open map. Raises sqlite3.Error besides what is named."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=0.2,
            isolation_level=None,
            check_same_thread=False,
        )
        # Consistent after a power cut, if not the newest; that is enough
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if create:
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS entries "
                "(key BLOB PRIMARY KEY, value BLOB, next BLOB, seal INTEGER) WITHOUT ROWID"
            )

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None where it is proven to be absent. Raises Damaged."""
        found, value, _ = self._at_or_before(key)
        return value if found == key else None

    def changed_elsewhere(self) -> int:
        """A number that is another one after some other connection has written."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def begin(self) -> None:
        """Keep all other writers out, until ``commit`` or ``rollback``."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make what was put since ``begin`` visible at once."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what was put since ``begin``."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def empty(self) -> bool:
        """Whether nothing was ever put in: then the root must be put first."""
        return self._db.execute("SELECT 1 FROM entries LIMIT 1").fetchone() is None

    def put(self, entries: Mapping[bytes, bytes]) -> None:
        """Add or replace entries, in a transaction that was begun. Raises Damaged."""
        if ROOT in entries and self.empty():
            self._write(ROOT, entries[ROOT], ROOT)
        for key in sorted(entries):
            before, value, after = self._at_or_before(key)
            if before == key:
                self._write(key, entries[key], after)
            else:
                self._write(before, value, key)
                self._write(key, entries[key], after)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _at_or_before(self, key: bytes) -> tuple[bytes, bytes, bytes]:
        row = self._db.execute(
            "SELECT key, value, next, seal FROM entries WHERE key <= ? ORDER BY key DESC LIMIT 1", (key,)
        ).fetchone()
        if row is None:
            raise Damaged("the first entry is missing")
        found, value, after, seal = row
        if not all(isinstance(part, bytes) for part in row[:3]) or seal != _seal(found, value, after):
            raise Damaged("an entry is not what it was")
        if found > key or (after <= key and after != ROOT):
            raise Damaged("an entry is missing")
        return found, value, after

    def _write(self, key: bytes, value: bytes, after: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
            (key, value, after, _seal(key, value, after)),
        )


def _seal(key: bytes, value: bytes, after: bytes) -> int:
    return crc32(b"%d %d " % (len(key), len(value)) + key + value + after)
