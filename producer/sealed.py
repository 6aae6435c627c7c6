"""A map in an SQLite file that notices damage: what it says is there, and what it says is not.

Keys are spread over numbered pages, each with a checksum, and every page always exists. So absence is
proven as well as presence, and random bytes in the file can't make a title or a command id vanish unnoticed,
which SQLite alone does not promise. When pages get long their number is doubled twice.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from zlib import crc32

import msgspec

FIRST_PAGES = 256
"""A power of two."""
GROWTH = 4
LONGEST = 64
"""Entries of a page, on average, beyond which there are more pages."""

_HEADER = msgspec.msgpack.Decoder(tuple[int, int, bytes])
_PAGE = msgspec.msgpack.Decoder(dict[bytes, bytes])
_encode = msgspec.msgpack.Encoder().encode


class Damaged(Exception):
    """The file does not hold what was once put in."""


class SealedMap:
    """An open map. Raises sqlite3.Error besides what is named.

    ``root`` is a value beside the map, as it was at the last ``get`` or ``begin``.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.root = b""
        self._pages, self._entries, self._version = 0, 0, -1
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=0.2,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # Consistent after a power cut, if not the newest; that is enough
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            if create:
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS pages "
                    "(number INTEGER PRIMARY KEY, content BLOB, seal INTEGER)"
                )
        except sqlite3.Error:
            self._db.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None where it is proven to be absent. Raises Damaged."""
        while True:
            value = self._page(_number(key, self._pages)).get(key) if self._pages else None
            # Asked afterwards: so what was read is not from a change that was not noticed
            version = self._changes()
            if version == self._version:
                return value
            self._read_header(version)

    def begin(self) -> None:
        """Keep all other writers out, until ``commit`` or ``rollback``. Raises Damaged."""
        self._db.execute("BEGIN IMMEDIATE")
        version = self._changes()
        if self._db.execute("SELECT 1 FROM pages LIMIT 1").fetchone() is None:
            self._pages, self._entries, self._version = FIRST_PAGES, 0, version
            self._write_pages((number, {}) for number in range(1, FIRST_PAGES + 1))
        else:
            self._read_header(version)

    def put(self, entries: Mapping[bytes, bytes], root: bytes) -> None:
        """Add or replace entries, and replace the root, after ``begin``. Raises Damaged."""
        if self._entries + len(entries) > self._pages * LONGEST:
            self._grow()
        by_page: dict[int, dict[bytes, bytes]] = defaultdict(dict)
        for key, value in entries.items():
            by_page[_number(key, self._pages)][key] = value
        # In the file's order, which is quicker
        for number in sorted(by_page):
            page = self._page(number)
            self._entries -= len(page)
            page |= by_page.pop(number)
            self._entries += len(page)
            self._write(number, _encode(page))
        self.root = root
        self._write(0, _encode((self._pages, self._entries, root)))

    def commit(self) -> None:
        """Make what was put since ``begin`` visible at once."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what was put since ``begin``, if it was not committed."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
            self._pages, self._version = 0, -1

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _changes(self) -> int:
        """A number that is another one after another connection has written."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _read_header(self, version: int) -> None:
        self._pages, self._entries, self.root = _HEADER.decode(self._content(0))
        self._version = version

    def _page(self, number: int) -> dict[bytes, bytes]:
        return _PAGE.decode(self._content(number))

    def _content(self, number: int) -> bytes:
        row = self._db.execute("SELECT content, seal FROM pages WHERE number = ?", (number,)).fetchone()
        if row is None or not isinstance(row[0], bytes) or row[1] != _seal(number, row[0]):
            raise Damaged(f"page {number} is not what it was")
        return bytes(row[0])

    def _grow(self) -> None:
        """Spread the entries over more pages, one page after the other."""
        before, self._pages = self._pages, self._pages * GROWTH
        for number in range(1, before + 1):
            parts: dict[int, dict[bytes, bytes]] = {number + before * n: {} for n in range(GROWTH)}
            for key, value in self._page(number).items():
                parts[_number(key, self._pages)][key] = value
            self._write_pages(parts.items())

    def _write_pages(self, pages: Iterable[tuple[int, dict[bytes, bytes]]]) -> None:
        for number, page in pages:
            self._write(number, _encode(page))

    def _write(self, number: int, content: bytes) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO pages VALUES (?, ?, ?)", (number, content, _seal(number, content))
        )


def _number(key: bytes, pages: int) -> int:
    """The page of ``key``: from 1 on; 0 is the header."""
    return 1 + (crc32(key) & (pages - 1))


def _seal(number: int, content: bytes) -> int:
    return crc32(content, number)
