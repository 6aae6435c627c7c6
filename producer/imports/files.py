"""Rows of a catalogue file, in order, each with its line."""

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from foundation.json_names import require_unique_names
from foundation.text import Malformed
from inventory.isbn import plain
from producer.imports.binary_files import binary_kind
from producer.imports.columns import BadOption, Columns, Row, csv_columns, json_columns
from producer.imports.csv_records import Record, Unreadable, csv_records, raw_cells

Format: TypeAlias = Literal["csv", "jsonl"]
DELIMITERS = ",;\t|"
REASON = "reason"
"""The column or member that a rejects file adds; an import ignores it."""
PROGRESS_ROWS = 1_000
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_SEP = "sep="
_BYTE_ORDER_MARK = "\ufeff"
_END_OF_FILE = "\x1a"
"""Ctrl-Z, which DOS programs write at the end."""
_QUOTED = re.compile('"[^"]*"?')
_JSON_ARRAY = re.compile(r"\s*\[\s*(?:\{|$)")
_SAMPLE = "isbn;title\n"
_JSON = msgspec.json.Decoder(dict[str, Any])


class BadFile(ValueError):
    """A file that can't be read; the message says where, and what to do."""


class Layout(Struct, frozen=True):
    """The options that say how a file is read. None: the file's name or its beginning shows it."""

    format: Format | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    mapped: dict[str, str] = {}
    constants: dict[str, str] = {}


class Catalogue(Struct, frozen=True):
    """A file to import. ``header``, empty for JSON lines, is without REASON."""

    path: Path
    layout: Layout
    format: Format
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    columns: Columns
    size_bytes: int
    modified_ns: int


def open_catalogue(path: Path, layout: Layout) -> Catalogue:
    """Look at a file's beginning. Raises BadOption, BadFile, and OSError if it can't be opened."""
    if kind_found := binary_kind(path):
        raise BadFile(f"{path.name} is {kind_found}")
    encoding = _marked(path, _codec(layout.encoding))
    status = path.stat()
    with path.open(encoding=encoding, newline="") as file:
        lines = _decoded(path, encoding, file)
        number, first, separator = _beginning(lines)
        is_json = first.lstrip().startswith("{") or path.suffix.lower() in _JSON_SUFFIXES
        kind: Format = layout.format or ("jsonl" if is_json else "csv")
        if kind == "jsonl":
            _require_objects(path, first)
            delimiter, header = "", tuple[str, ...]()
            columns = json_columns(layout.mapped, layout.constants)
        else:
            _require_text(path, number, first)
            delimiter = layout.delimiter or separator or max(DELIMITERS, key=_QUOTED.sub("", first).count)
            records = csv_records(chain([first], lines), delimiter, lambda _: False)
            names = _names(path, number, next(records)[1])
            header = tuple(name for name in names if name != REASON)
            columns = csv_columns(header, layout.mapped, layout.constants)
    return Catalogue(
        path, layout, kind, encoding, delimiter, header, columns, status.st_size, status.st_mtime_ns
    )


def require_unchanged(catalogue: Catalogue) -> None:
    """Raises BadFile if the file was written to since it was opened first."""
    status = catalogue.path.stat()
    if (status.st_size, status.st_mtime_ns) != (catalogue.size_bytes, catalogue.modified_ns):
        raise BadFile(f"{catalogue.path.name} was changed while it was read: import it again")


def identity(catalogue: Catalogue, *options: object) -> str:
    """A digest of the file's content and of how it is read. The file's name and place don't matter."""
    with catalogue.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    layout = catalogue.layout
    read_as = [catalogue.format, catalogue.encoding, catalogue.delimiter, layout.mapped, layout.constants]
    digest.update(json.dumps([*read_as, *options], sort_keys=True).encode())
    return digest.hexdigest()[:20]


def rows(
    catalogue: Catalogue, progress: Callable[[int], None] | None = None
) -> Iterator[tuple[int, Row | Unreadable | None]]:
    """Each row with the number of its line, from 1; None is a row without content.

    Calls ``progress`` with the number of bytes read, now and then. Raises BadFile for undecodable text.
    """
    is_csv = catalogue.format == "csv"
    with (
        catalogue.path.open("rb") as binary,
        # Lines end with CR, LF or both: JSON has neither within its texts
        TextIOWrapper(binary, encoding=catalogue.encoding, newline="") as file,
    ):
        lines = _decoded(catalogue.path, catalogue.encoding, file)
        read = _csv_rows(catalogue, lines) if is_csv else enumerate(map(_json_row, lines), 1)
        for count, row in enumerate(read):
            if progress is not None and count % PROGRESS_ROWS == 0:
                progress(binary.tell())
            yield row


def _csv_rows(catalogue: Catalogue, lines: Iterator[str]) -> Iterator[tuple[int, Row | Unreadable | None]]:
    first_number, first, _ = _beginning(lines)
    reasons: list[int] = []
    width, isbn = len(catalogue.header), catalogue.columns.keys["isbn"]

    def without_reasons(cells: list[str]) -> list[str]:
        return [cell for index, cell in enumerate(cells) if index not in reasons] if reasons else cells

    def hides_rows(record: list[str]) -> bool:
        first, *others = (without_reasons(raw_cells(line, catalogue.delimiter)) for line in record)
        # A quoted cell before the ISBN may have several lines, too: then the first line is no row
        return (_has_isbn(first, isbn) or len(first) >= width) and any(
            _has_isbn(cells, isbn) or (len(cells) == width and not cells[isbn].strip()) for cells in others
        )

    records = csv_records(chain([first], lines), catalogue.delimiter, hides_rows)
    _, header = next(records)
    assert isinstance(header, list)
    reasons = [index for index, name in enumerate(header) if name == REASON]
    for number, record in records:
        line = first_number - 1 + number
        if isinstance(record, Unreadable):
            assert isinstance(record.found, list)
            yield line, Unreadable(without_reasons(record.found), record.reason)
            continue
        cells = without_reasons(record)
        if not any(map(str.strip, cells)) or cells == [_END_OF_FILE]:
            yield line, None
        elif len(cells) > width and any(map(str.strip, cells[width:])):
            why = f"the row has {len(cells)} cells, the header {width}: is a quote or a delimiter missing?"
            yield line, Unreadable(cells, why)
        else:
            yield line, cells[:width]


def _json_row(line: str) -> Row | Unreadable | None:
    text = line.rstrip("\r\n")
    if not text.strip():
        return None
    try:
        row = _JSON.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(text, f"not a JSON object: {error}")
    # Quotation marks of names and texts: with more of them a name may occur twice, or a text has some
    if text.count('"') != 2 * (len(row) + sum(type(value) is str for value in row.values())):
        try:
            require_unique_names(text)
        except Malformed as error:
            return Unreadable(text, str(error))
    row.pop(REASON, None)
    return row or Unreadable(text, "the object is empty")


def _beginning(lines: Iterator[str]) -> tuple[int, str, str | None]:
    """The first line with content, its number, and the delimiter in Excel's ``sep=`` line above it."""
    separator, number = None, 0
    for number, line in enumerate(lines, 1):
        text = line.strip('\r\n"')
        if separator is None and text.lower().startswith(_SEP) and len(text) == len(_SEP) + 1:
            separator = text[-1]
        elif text.strip(DELIMITERS + ' "'):
            return number, line, separator
    return number, "", separator


def _names(path: Path, number: int, record: Record) -> list[str]:
    if isinstance(record, Unreadable):
        raise BadFile(f"{path.name}, line {number}: {record.reason}")
    if not record:
        raise BadFile(f"{path.name} is empty: its first line has to name the columns")
    return record


def _has_isbn(cells: list[str], index: int) -> bool:
    """Whether a cell has a number like an ISBN, right or wrong."""
    compact = plain(cells[index].strip('="')) if index < len(cells) else ""
    return len(compact) >= 7 and compact[:-1].isdigit()


def _require_objects(path: Path, first: str) -> None:
    """Raises BadFile for JSON that is not one object a line."""
    if _JSON_ARRAY.match(first):
        found, program = "is a JSON array", "jq -c '.[]'"
    elif first.strip() == "{":
        found, program = "has a JSON object on several lines", "jq -c ."
    else:
        return
    raise BadFile(f"{path.name} {found}: an import reads one object a line, as `{program}` prints them")


def _require_text(path: Path, number: int, first: str) -> None:
    """Raises BadFile if a CSV file's header shows that it is something else."""
    _require_objects(path, first)
    if "\0" in first:
        raise BadFile(
            f"{path.name}, line {number}: it has null characters, as UTF-16 without a byte order mark has; "
            "try --encoding utf-16-le or utf-16-be"
        )


def _decoded(path: Path, encoding: str, file: TextIOWrapper) -> Iterator[str]:
    """The lines, without a byte order mark. Raises BadFile."""
    number = 0
    try:
        for number, line in enumerate(file, 1):
            yield line.lstrip(_BYTE_ORDER_MARK) if number == 1 else line
    except UnicodeError as error:
        raise BadFile(
            f"{path.name}, near line {number + 1}: not {encoding} ({error}); save the file as UTF-8, or name "
            "its encoding, for example --encoding windows-1252 or utf-16"
        ) from error


def _marked(path: Path, encoding: str) -> str:
    """The encoding that a file's byte order mark shows. UTF-8 does not begin with that of another one."""
    if encoding != "utf-8":
        return encoding
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    return "utf-16" if beginning[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else encoding


def _codec(encoding: str) -> str:
    """The codec's own name. Raises BadOption for one that is unknown or not for files."""
    try:
        name = codecs.lookup(encoding).name
        usable = _SAMPLE.encode(name).decode(name) == _SAMPLE
    # ValueError: a name with a null character, or the codec ``undefined``
    except (LookupError, ValueError) as error:
        raise BadOption(f"encoding {encoding!r} is unknown; try utf-8 or windows-1252") from error
    if not usable:
        raise BadOption(f"encoding {encoding!r} is not for files; try utf-8 or windows-1252")
    return name
