"""Records of a CSV text. A quote that is missing or too many spoils its own line, and no other.

Python's reader takes everything up to the next quote for one cell, however many rows that spans. Here a
record that breaks the rules of quoting is reported with its first line, and reading continues at the next.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Self, TypeAlias

from msgspec import Struct

MAX_CELL_CHARACTERS = 1 << 20
MAX_RECORD_LINES = 1_000
"""A quoted cell may have line ends; one with more of them lacks its closing quote."""
_HINT = "is a quote missing, or one too many?"


class Unreadable(Struct, frozen=True):
    """Takes the place of a row that can't be read: its cells or its line as found, and the reason."""

    found: list[str] | str
    reason: str


Record: TypeAlias = list[str] | Unreadable
"""The cells; a blank line has none."""


class _Lines:
    """The lines of a text, record by record. Those after the first of a record can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self._first: str | None = None
        self.record: list[str] = []

    def begin(self) -> str | None:
        """The first line of the next record; None at the end."""
        self.record = []
        self._first = self._returned.popleft() if self._returned else next(self._lines, None)
        return self._first

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """The lines of the record, for a CSV reader, which stops at its end."""
        if not self.record:
            line = self._first
        elif len(self.record) == MAX_RECORD_LINES:
            raise csv.Error(f"a cell has more than {MAX_RECORD_LINES} lines")
        else:
            line = self._returned.popleft() if self._returned else next(self._lines, None)
        if line is None:
            raise StopIteration
        self.record.append(line)
        return line

    def keep_first(self) -> str:
        """Give all lines of the record back but the first, and return that."""
        first, *rest = self.record
        self._returned.extendleft(reversed(rest))
        return first


def csv_records(
    lines: Iterator[str], delimiter: str, hides_rows: Callable[[list[str]], bool]
) -> Iterator[tuple[int, Record]]:
    """Each record with the number of its first line, from 1.

    If ``hides_rows`` is true for the lines of a record, two rows have a stray quote each. Nothing shows where
    their cells end: all lines of the record are unreadable.
    """
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    source, number = _Lines(lines), 1
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    space_before_quote = _space_before_quote(delimiter)
    while (line := source.begin()) is not None:
        if '"' not in line:
            # Most lines of most files, in a third of the time
            yield number, raw_cells(line, delimiter)
            number += 1
            continue
        try:
            if ' "' in line and space_before_quote.match(line):
                # The other would take the quote for text, and a delimiter after it for the cell's end
                spaced = csv.reader(source, delimiter=delimiter, strict=True, skipinitialspace=True)
                cells = next(spaced)
            else:
                cells = next(reader)
        except csv.Error as error:
            yield number, _unreadable(source.keep_first(), delimiter, _explained(error))
            number += 1
            # The other one has kept the part of the record that it read
            reader = csv.reader(source, delimiter=delimiter, strict=True)
            continue
        if len(source.record) > 1 and hides_rows(source.record):
            last = number + len(source.record) - 1
            reason = f"lines up to {last} are in one quoted cell: {_HINT}"
            for line in source.record:
                yield number, _unreadable(line, delimiter, reason)
                number += 1
            continue
        yield number, cells
        number += len(source.record)


def _space_before_quote(delimiter: str) -> re.Pattern[str]:
    """Matches a line in which spaces and a quote begin a cell; the cells before it are taken whole."""
    end = re.escape(delimiter)
    return re.compile(rf'(?>(?:"(?>[^"]|"")*"|[^"{end}][^{end}]*|){end})* +"')


def raw_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line in which a quote means nothing; none for a blank line."""
    text = line.rstrip("\r\n")
    return text.split(delimiter) if text else []


def _unreadable(line: str, delimiter: str, reason: str) -> Unreadable:
    return Unreadable(raw_cells(line, delimiter), reason)


def _explained(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return f"a quoted cell has no end: {_HINT}"
    if "expected after" in str(error):
        return f"a quoted cell ends within the cell: {_HINT}"
    return f"{error}: {_HINT}"
