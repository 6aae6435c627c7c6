"""A backup's file: gzip of JSON lines. A header, the records of the event store, an end that proves it whole.

``zcat`` shows it; keys, values and headers are in base64, byte for byte as they stand in Kafka.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

FORMAT = 1
_LEVEL = 6


class NotWhole(Exception):
    """The file is no backup, is cut off, or was changed; the message says which."""


class Header(Struct, frozen=True, kw_only=True, tag_field="line", tag="header"):
    """The first line: whose records follow."""

    name: str
    cluster: str
    topic_id: str
    written_at: datetime
    ends: list[int]
    """By partition, the offset behind the last record."""
    format: int = FORMAT


class Record(Struct, frozen=True, tag_field="line", tag="record"):
    """One record of the event store, with its place there and its timestamp (ms since 1970, UTC).

    Those of a partition stand in their order, all of them as well as that allows in the order of time.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class End(Struct, frozen=True, tag_field="line", tag="end"):
    """The last line: what must have come before it."""

    records: int
    digest: str


Line: TypeAlias = Header | Record | End


class Digest:
    """Counts records and sums their hashes: equal events make an equal digest, wherever they stand."""

    def __init__(self) -> None:
        self.records = 0
        self._sum = 0

    def add(self, record: Record) -> None:
        """Take in one record: its key, value, headers and timestamp, not its place."""
        hashed = sha256(record.timestamp.to_bytes(8, "big", signed=True))
        for part in (
            record.key,
            record.value,
            *(p for name, value in record.headers for p in (name.encode(), value)),
        ):
            # With its length, so that no two lists of parts look the same; -1: none
            hashed.update((-1 if part is None else len(part)).to_bytes(8, "big", signed=True))
            hashed.update(part or b"")
        self._sum += int.from_bytes(hashed.digest(), "big")
        self.records += 1

    def text(self) -> str:
        """In hexadecimal."""
        return f"{self._sum % 2**256:064x}"


def write(path: Path, header: Header, records: Iterable[Record]) -> Digest:
    """Write a whole backup, record by record; what was written. Raises OSError."""
    digest, encode = Digest(), msgspec.json.Encoder().encode
    # Without a file name and time in it, so that the same records make the same bytes
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as file:
        file.write(encode(header) + b"\n")
        for record in records:
            digest.add(record)
            file.write(encode(record) + b"\n")
        file.write(encode(End(digest.records, digest.text())) + b"\n")
    return digest


def read(path: Path) -> tuple[Header, Iterator[Record]]:
    """A backup's header and its records; reading them to their end proves the file whole.

    Raises OSError, and NotWhole, also while the records are read.
    """
    lines = _lines(path)
    header = next(lines, None)
    if not isinstance(header, Header):
        raise NotWhole("it does not begin with a backup's header")
    if header.format != FORMAT:
        raise NotWhole(f"it has format {header.format}, this program knows {FORMAT}: upgrade the program")
    return header, _records(lines)


def check(path: Path) -> tuple[Header, Digest]:
    """Read all of it: the header, and count and digest of the records. Raises OSError, NotWhole."""
    header, records = read(path)
    digest = Digest()
    for record in records:
        digest.add(record)
    return header, digest


def _records(lines: Iterator[Line]) -> Iterator[Record]:
    digest = Digest()
    for line in lines:
        if isinstance(line, End):
            if line != End(digest.records, digest.text()):
                raise NotWhole(
                    f"it says it has {line.records:,} records, digest {line.digest[:12]}…, "
                    f"and has {digest.records:,}, digest {digest.text()[:12]}…"
                )
            if next(lines, None) is not None:
                raise NotWhole("something stands behind its end")
            return
        if isinstance(line, Header):
            raise NotWhole("a second header stands among its records")
        digest.add(line)
        yield line
    raise NotWhole(f"it ends after {digest.records:,} records, without its last line: it was cut off")


def _lines(path: Path) -> Iterator[Line]:
    decode = msgspec.json.Decoder(Line).decode
    with gzip.open(path) as file:
        try:
            for line in file:
                yield decode(line)
        except EOFError as error:
            raise NotWhole("it is cut off") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise NotWhole(f"it is damaged, or no backup: {error}") from error
        except msgspec.DecodeError as error:
            raise NotWhole(f"a line of it is no line of a backup: {error}") from error
