"""A persistent map that detects corruption, including lost keys.

Layers of checksummed pages (an LSM tree) in one SQLite file. Each ``put`` adds a layer; the newest layer that
has a key counts. A page exists for every key range of a layer. A missing key is therefore proven missing:
random bytes can't make a stream or a command id vanish unnoticed, which SQLite alone does not promise.

A layer never changes, so the fingerprints of its keys stay valid in memory and most look-ups of new keys need
no read. A new layer absorbs the earlier ones that are not larger: there are few layers, and an entry is
rewritten as often as the map doubles. ``docs/decisions/0012`` says what the
map gains and what may replace it.
"""

import sqlite3
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from eventstore.state.background import Pause, never, paced

ENTRIES_PER_PAGE = 64
"""Maximum average."""
MAX_REMEMBERED_PAGES = 40_000
"""Pages whose key fingerprints are kept in memory: two million entries, about 10 MB."""
PAGES_PER_WRITE = 100
PAGES_PER_READ = 100
PAGES_PER_PAUSE = 30
"""Pages whose fingerprints are read between two chances to pause."""
PARTED_LAYER_BITS = 8
"""A layer with this many bits (16,000 entries) or more is read in parts."""


class _Layer(NamedTuple):
    """The ``1 << bits`` pages from ``number << 32`` on."""

    number: int
    bits: int
    entries: int


class _Page(NamedTuple):
    entries: dict[bytes, bytes]
    marks: list[int]


_HEADER = msgspec.msgpack.Decoder(tuple[int, list[_Layer], bytes])
_decode = msgspec.msgpack.Decoder(dict[bytes, bytes]).decode
_encode = msgspec.msgpack.Encoder().encode


class Damaged(Exception):
    """The file has lost or changed entries."""


class CheckedMap:
    """An open map. All methods raise sqlite3.Error, besides what they name; opening raises Damaged.

    ``root`` is a value beside the map, as of the last ``get``, ``refresh`` or ``begin``.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path, self.root = path, b""
        self._layers: list[_Layer] = []
        self._made, self._version = 0, -1
        self._prints: dict[int, bytes] = {}
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
            uri=True,
            timeout=0.2,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # A flush would only delay Kafka's own flushes: damage by a power cut is detected
            self._db.execute("PRAGMA synchronous = OFF")
            if create:
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS pages "
                    "(number INTEGER PRIMARY KEY, content BLOB, seal INTEGER)"
                )
        except UnicodeDecodeError as error:
            # SQLite's message quotes a damaged name, which Python can't decode
            self._db.close()
            raise Damaged(f"it holds text that is not UTF-8: {error}") from error
        except sqlite3.Error:
            self._db.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None if it is proven absent. Raises Damaged.

        Other connections' changes since the last ``refresh`` are noticed only when the file is read.
        """
        return self.get_many((key,))[key]

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """As ``get``, for each of the keys. It reads many pages at once, each for all keys that it may have.

        A read of the file costs more than a page's content, and it releases Python's lock.
        """
        wanted = dict.fromkeys(keys)
        if self._version >= 0 and not any(map(self._may_have, wanted)):
            return wanted
        while True:
            damage: Damaged | None = None
            found = dict[bytes, bytes | None]()
            try:
                found = self._find(wanted)
            except Damaged as error:
                # Perhaps another process has absorbed the layer meanwhile
                damage = error
            # Check the version after reading: if it changed, a page may come from a newer layer
            version = self._changes()
            if version != self._version:
                self._read_header(version)
            elif damage is not None:
                raise damage
            else:
                return found

    def refresh(self) -> None:
        """Notice other connections' changes. Raises Damaged."""
        if (version := self._changes()) != self._version:
            self._read_header(version)

    def remember_all(self) -> Iterator[None]:
        """Remember the fingerprints of all pages, newest first, as far as there is room.

        Yields after a few pages. Raises Damaged, also if another process absorbs a layer meanwhile.
        """
        for layer in reversed(self._layers):
            numbers = _numbers(layer)
            for first in range(0, len(numbers), PAGES_PER_PAUSE):
                some = numbers[first : first + PAGES_PER_PAUSE]
                if len(self._prints) + len(some) > MAX_REMEMBERED_PAGES:
                    return
                for number, content in zip(some, self._contents(some), strict=True):
                    self._remember(number, map(crc32, _entries(content)))
                yield

    @property
    def learnt(self) -> Mapping[int, bytes]:
        """The remembered fingerprints, for ``learn`` of another map of the same file."""
        return self._prints

    def learn(self, learnt: Mapping[int, bytes]) -> None:
        """Take over the fingerprints of another map of the same file."""
        self._prints.update(learnt)
        for number in list(islice(self._prints, max(0, len(self._prints) - MAX_REMEMBERED_PAGES))):
            del self._prints[number]

    def begin(self) -> None:
        """Lock out all other writers until ``commit`` or ``rollback``. Raises Damaged."""
        self._db.execute("BEGIN IMMEDIATE")
        version = self._changes()
        if self._db.execute("SELECT 1 FROM pages LIMIT 1").fetchone() is None:
            self._layers, self._made, self._version = [], 0, version
        else:
            self._read_header(version)

    def put(self, entries: Mapping[bytes, bytes], root: bytes, pause: Pause = never) -> None:
        """Add or replace entries, and replace the root, after ``begin``. Raises Damaged."""
        merged, most = list[_Layer](), len(entries)
        while self._layers and self._layers[-1].entries <= most:
            merged.insert(0, self._layers.pop())
            most += merged[0].entries
        self._layers.append(self._new_layer(entries, merged, most, pause))
        for layer in merged:
            pages = _numbers(layer)
            self._db.execute("DELETE FROM pages WHERE number BETWEEN ? AND ?", (pages[0], pages[-1]))
        self.root = root
        self._write([(0, _encode((self._made, self._layers, root)))])

    def commit(self) -> None:
        """Make all changes since ``begin`` visible at once."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the changes since ``begin`` unless they were committed."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
            self._layers, self._version = [], -1
            self._prints.clear()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _candidates(self, key: bytes) -> Iterator[int]:
        """Pages that may have the key, newest first, as far as memory can tell without the file."""
        mark = crc32(key)
        fingerprint = _fingerprint(mark)
        for layer in reversed(self._layers):
            number = _page_number(layer, mark)
            prints = self._prints.get(number)
            if prints is None or fingerprint in prints:
                yield number

    def _may_have(self, key: bytes) -> bool:
        """Whether only the file can tell if the map has the key."""
        return next(self._candidates(key), None) is not None

    def _find(self, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        found: dict[bytes, bytes | None] = dict.fromkeys(keys)
        unread = [(key, self._candidates(key)) for key in found]
        while unread:
            waiting = defaultdict[int, list[tuple[bytes, Iterator[int]]]](list)
            for key, candidates in unread:
                if (number := next(candidates, None)) is not None:
                    waiting[number].append((key, candidates))
            unread = []
            # In the order of the file
            for number, content in self._scattered(sorted(waiting)):
                page = _entries(content)
                for key, candidates in waiting[number]:
                    if key in page:
                        found[key] = page[key]
                    else:
                        unread.append((key, candidates))
                if number not in self._prints:
                    self._remember(number, map(crc32, page))
        return found

    def _remember(self, number: int, marks: Iterable[int]) -> None:
        if len(self._prints) >= MAX_REMEMBERED_PAGES:
            # The one that was read first: after a start, or for a long time, not needed again
            del self._prints[next(iter(self._prints))]
        self._prints[number] = array("H", [mark & 0xFFFF for mark in marks]).tobytes()

    def _changes(self) -> int:
        """A number that changes when another connection has written."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _read_header(self, version: int) -> None:
        try:
            self._made, self._layers, self.root = _HEADER.decode(self._content(0))
        except msgspec.MsgspecError as error:
            raise Damaged(f"the header can't be read: {error}") from error
        self._version = version

    def _entries(self, layers: Iterable[_Layer]) -> Iterator[tuple[bytes, bytes]]:
        for layer in layers:
            for content in self._contents(_numbers(layer)):
                yield from _entries(content).items()

    def _content(self, number: int) -> bytes:
        (content,) = self._contents(range(number, number + 1))
        return content

    def _contents(self, numbers: range) -> list[bytes]:
        return self._intact(
            numbers,
            self._db.execute(
                "SELECT number, content, seal FROM pages WHERE number BETWEEN ? AND ? ORDER BY number",
                (numbers[0], numbers[-1]),
            ).fetchall(),
        )

    def _scattered(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Pages by their numbers, which must rise."""
        for first in range(0, len(numbers), PAGES_PER_READ):
            some = numbers[first : first + PAGES_PER_READ]
            places = ", ".join("?" * len(some))
            rows = self._db.execute(
                f"SELECT number, content, seal FROM pages WHERE number IN ({places}) ORDER BY number", some
            ).fetchall()
            yield from zip(some, self._intact(some, rows), strict=True)

    def _intact(self, numbers: Sequence[int], rows: Sequence[tuple[int, Any, object]]) -> list[bytes]:
        """The contents of ``rows`` if these are all ``numbers``. Raises Damaged."""
        if [number for number, _, _ in rows] != list(numbers) or not all(map(_intact, rows)):
            raise Damaged(f"pages {numbers[0]} to {numbers[-1]} do not match their checksums")
        return [content for _, content, _ in rows]

    def _new_layer(
        self, entries: Mapping[bytes, bytes], merged: Sequence[_Layer], most: int, pause: Pause
    ) -> _Layer:
        """Write ``entries`` and those of the ``merged`` layers, newest last, as one new layer."""
        self._made += 1
        bits = max(0, (most - 1) // ENTRIES_PER_PAGE).bit_length()
        # Part by part, which bounds memory. The newest layers are the smallest and are read whole
        large = [layer for layer in merged if layer.bits >= PARTED_LAYER_BITS]
        parts = min([bits, *(layer.bits for layer in large)])
        fresh: defaultdict[int, dict[bytes, bytes]] = defaultdict(dict)
        newer = chain(self._entries(merged[len(large) :]), entries.items())
        for key, value in paced(newer, pause):
            fresh[crc32(key) >> (32 - parts)][key] = value
        layer, count = _Layer(self._made, bits, 0), 0
        written: list[tuple[int, bytes]] = []
        for part in range(1 << parts):
            pause()
            held: dict[bytes, bytes] = {}
            for older in large:
                for content in self._contents(_numbers(older, part, parts)):
                    held |= _entries(content)
            held |= fresh.pop(part, {})
            count += len(held)
            pages = {number: _Page({}, []) for number in _numbers(layer, part, parts)}
            for key, value in held.items():
                mark = crc32(key)
                page = pages[_page_number(layer, mark)]
                page.entries[key] = value
                page.marks.append(mark)
            for number, page in pages.items():
                self._remember(number, page.marks)
            written += [(number, _encode(page.entries)) for number, page in pages.items()]
            if len(written) >= PAGES_PER_WRITE:
                self._write(written)
                written.clear()
        self._write(written)
        return layer._replace(entries=count)

    def _write(self, pages: Sequence[tuple[int, bytes]]) -> None:
        for first in range(0, len(pages), PAGES_PER_WRITE):
            some = pages[first : first + PAGES_PER_WRITE]
            # One statement for many pages: each statement waits for Python's lock
            rows = ", ".join(["(?, ?, ?)"] * len(some))
            values = [value for at, content in some for value in (at, content, _seal(at, content))]
            self._db.execute(f"INSERT OR REPLACE INTO pages VALUES {rows}", values)


def _entries(content: bytes) -> dict[bytes, bytes]:
    try:
        return _decode(content)
    except msgspec.MsgspecError as error:
        raise Damaged(f"a page can't be read: {error}") from error


def _page_number(layer: _Layer, mark: int) -> int:
    """The page of a key: the first bits of its checksum. Neighbours stay neighbours in every layer."""
    return layer.number << 32 | mark >> (32 - layer.bits)


def _numbers(layer: _Layer, part: int = 0, parts: int = 0) -> range:
    """The layer's pages of part ``part`` of ``1 << parts``, or all of them."""
    more = layer.bits - parts
    first = layer.number << 32 | part << more
    return range(first, first + (1 << more))


def _fingerprint(mark: int) -> bytes:
    """Two bytes that distinguish most keys of a page: the last bits of the checksum."""
    return (mark & 0xFFFF).to_bytes(2, sys.byteorder)


def _intact(row: tuple[int, object, object]) -> bool:
    number, content, seal = row
    return isinstance(content, bytes) and seal == _seal(number, content)


def _seal(number: int, content: bytes) -> int:
    return crc32(content, crc32(number.to_bytes(8, "little")))
