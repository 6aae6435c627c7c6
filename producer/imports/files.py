"""Rows of a catalogue file, in order, with what can't be read as a row."""

import codecs
import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from producer.imports.columns import Row

Format: TypeAlias = Literal["csv", "jsonl"]
DELIMITERS = ",;\t|"
REASON = "reason"
"""The column or member that a rejects file has more than the file it comes from; it is not read."""
_LONGEST_CELL = 1 << 20
_JSON = msgspec.json.Decoder(dict[str, Any])


class BadFile(ValueError):
    """A file that can't be read as what it was said to be; the message says where and what to do."""


class Unreadable(Struct, frozen=True):
    """What stands where a row should, and why it is none."""

    found: list[str] | str
    why: str


class Catalogue(Struct, frozen=True):
    """A file to import. ``header``, empty for JSON lines, is without REASON; ``size`` is in bytes."""

    path: Path
    format: Format
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    size: int


def open_catalogue(path: Path, given: Format | None, encoding: str, delimiter: str | None) -> Catalogue:
    """Look at a file's beginning. Raises BadFile, and OSError for one that can't be opened."""
    kind: Format = given or ("jsonl" if path.suffix.lower() in (".jsonl", ".ndjson") else "csv")
    encoding = _known(encoding)
    size = path.stat().st_size
    if kind == "jsonl":
        return Catalogue(path, kind, encoding, "", (), size)
    with path.open(encoding=encoding, newline="") as file:
        if delimiter is None:
            first = next(_decoded(path, encoding, file), "")
            delimiter = max(DELIMITERS, key=first.count)
            file.seek(0)
        header = next(_parsed(path, _decoded(path, encoding, file), delimiter), None)
    if not header:
        raise BadFile(f"{path} is empty: its first line has to name the columns")
    columns = tuple(name for name in header if name != REASON)
    return Catalogue(path, kind, encoding, delimiter, columns, size)


def identity(catalogue: Catalogue, options: object) -> str:
    """Names the file's content together with how it is read; moving or renaming it changes nothing."""
    with catalogue.path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256")
    how = [catalogue.format, catalogue.encoding, catalogue.delimiter, options]
    content.update(json.dumps(how, sort_keys=True).encode())
    return content.hexdigest()[:20]


def rows(
    catalogue: Catalogue, progress: Callable[[int], None] | None = None
) -> Iterator[tuple[int, Row | Unreadable]]:
    """Each row with its number, from 1; blank lines are passed over.

    ``progress`` is told now and then how many bytes were read. Raises BadFile where reading on is impossible.
    """
    is_csv = catalogue.format == "csv"
    newline = "" if is_csv else "\n"
    with (
        catalogue.path.open("rb") as binary,
        TextIOWrapper(binary, encoding=catalogue.encoding, newline=newline) as file,
    ):
        lines = _decoded(catalogue.path, catalogue.encoding, file)
        read = _csv_rows(catalogue, lines) if is_csv else map(_json_row, lines)
        for number, row in enumerate(read, 1):
            if progress is not None and number % 1000 == 0:
                progress(binary.tell())
            if row:
                yield number, row


def _csv_rows(catalogue: Catalogue, lines: Iterator[str]) -> Iterator[Row | Unreadable]:
    reader = _parsed(catalogue.path, lines, catalogue.delimiter)
    header = next(reader, [])
    reason = header.index(REASON) if REASON in header else None
    width = len(catalogue.header)
    for cells in reader:
        if reason is not None:
            del cells[reason : reason + 1]
        if len(cells) > width:
            why = f"the row has {len(cells)} cells, the header {width}: is a quote or a delimiter missing?"
            yield Unreadable(cells, why)
        else:
            yield cells


def _json_row(line: str) -> Row | Unreadable:
    if not line.strip():
        return {}
    try:
        row = _JSON.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(line.rstrip("\r\n"), f"not a JSON object: {error}")
    row.pop(REASON, None)
    return row or Unreadable(line.rstrip("\r\n"), "the object is empty")


def _parsed(path: Path, lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise BadFile(
            f"{path}, line {reader.line_num}: {error}; is a quote not closed, or the delimiter not "
            f"{delimiter!r} (--delimiter)?"
        ) from error


def _decoded(path: Path, encoding: str, file: TextIOWrapper) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(file, 1):  # noqa: B007
            yield line
    except UnicodeError as error:
        raise BadFile(
            f"{path}, near line {number + 1}: not {encoding.removesuffix('-sig')} ({error}); save the file "
            "as UTF-8, or name its encoding, for example --encoding windows-1252 or utf-16"
        ) from error


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError as error:
        raise BadFile(f"encoding {encoding!r} is unknown; try utf-8 or windows-1252") from error
    # A byte order mark at the beginning is no part of the first column's name
    return "utf-8-sig" if name == "utf-8" else name
