"""The backup file: gzipped JSON lines. A header, the records, a last line with count and digest.

``zcat`` shows it. Keys, values and headers are in base64 and have the same bytes as in Kafka.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

FORMAT = 1
NAMES = "names"
"""The kind of a file with the names of borrowers in place of events."""
TOKENS = "tokens"
"""The borrowers in the events of a store that keeps their names apart."""
_GZIP_LEVEL = 6


class NotWhole(Exception):
    """The file is not a backup, is truncated, or was changed; the message says which."""


class Header(Struct, frozen=True, kw_only=True, tag_field="line", tag="header"):
    """The first line: the store that was backed up."""

    name: str
    cluster: str
    topic_id: str
    written_at: datetime
    ends: list[int]
    """For each partition, the offset after its last record."""
    format: int = FORMAT
    kind: str | UnsetType = UNSET
    """Not set: the records are events."""
    borrowers: str | UnsetType = UNSET
    """TOKENS, or not set: the file is from an older release, or the store does not keep names apart."""


class Record(Struct, frozen=True, tag_field="line", tag="record"):
    """One record of the event store with its position there and its timestamp (ms since 1970, UTC).

    Each partition's records are in log order; partitions are merged by timestamp.
    """

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class End(Struct, frozen=True, tag_field="line", tag="end"):
    """The last line: count and digest of all records before it."""

    records: int
    digest: str


Line: TypeAlias = Header | Record | End


class Digest:
    """Counts records and sums their hashes: equal events have an equal digest in any order or partition."""

    def __init__(self) -> None:
        self.records = 0
        self._sum = 0

    def add(self, record: Record) -> None:
        """Add one record: its key, value, headers and timestamp, but not its position."""
        hashed = sha256(record.timestamp.to_bytes(8, "big", signed=True))
        for part in (
            record.key,
            record.value,
            *(p for name, value in record.headers for p in (name.encode(), value)),
        ):
            # The length separates the parts: no two different lists hash alike. -1 marks None
            hashed.update((-1 if part is None else len(part)).to_bytes(8, "big", signed=True))
            hashed.update(part or b"")
        self._sum += int.from_bytes(hashed.digest(), "big")
        self.records += 1

    def text(self) -> str:
        """The digest in hexadecimal."""
        return f"{self._sum % 2**256:064x}"


def write(path: Path, header: Header, records: Iterable[Record]) -> Digest:
    """Write a backup record by record; returns count and digest. Raises OSError."""
    digest, encode = Digest(), msgspec.json.Encoder().encode
    # Without a file name and time, equal records give equal bytes
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as file:
        file.write(encode(header) + b"\n")
        for record in records:
            digest.add(record)
            file.write(encode(record) + b"\n")
        file.write(encode(End(digest.records, digest.text())) + b"\n")
    return digest


def read(path: Path) -> tuple[Header, Iterator[Record]]:
    """A backup's header and its records. Reading all records checks count and digest.

    Raises OSError and NotWhole, also while the records are read.
    """
    return _read(path, Digest())


def check(path: Path, look: Callable[[Header, Record], object] | None = None) -> tuple[Header, Digest]:
    """Read the whole file: its header, and count and digest of its records. Raises OSError, NotWhole.

    ``look`` gets each record meanwhile.
    """
    digest = Digest()
    header, records = _read(path, digest)
    for record in records:
        if look is not None:
            look(header, record)
    return header, digest


def _read(path: Path, digest: Digest) -> tuple[Header, Iterator[Record]]:
    lines = _lines(path)
    header = next(lines, None)
    if not isinstance(header, Header):
        raise NotWhole("it does not start with the header of a backup")
    if header.format != FORMAT:
        raise NotWhole(
            f"it has format {header.format}, this program reads format {FORMAT}: upgrade the program"
        )
    return header, _records(lines, digest)


def _records(lines: Iterator[Line], digest: Digest) -> Iterator[Record]:
    for line in lines:
        if isinstance(line, End):
            if line != End(digest.records, digest.text()):
                raise NotWhole(
                    f"its last line announces {line.records:,} records with digest {line.digest[:12]}…, "
                    f"but it contains {digest.records:,} with digest {digest.text()[:12]}…"
                )
            if next(lines, None) is not None:
                raise NotWhole("there is data after its last line")
            return
        if isinstance(line, Header):
            raise NotWhole("it has a second header among its records")
        digest.add(line)
        yield line
    raise NotWhole(f"it ends after {digest.records:,} records, without its last line: it is truncated")


def _lines(path: Path) -> Iterator[Line]:
    decode = msgspec.json.Decoder(Line).decode
    with gzip.open(path) as file:
        try:
            for line in file:
                yield decode(line)
        except EOFError as error:
            raise NotWhole("it is truncated") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise NotWhole(f"it is damaged, or not a backup: {error}") from error
        except msgspec.DecodeError as error:
            raise NotWhole(f"one of its lines is not a backup's: {error}") from error
