"""Records of a CSV text. A quote that is missing or too many spoils its own line, and no other.

Python's reader takes everything up to the next quote for one cell, however many rows that spans. Here a
record that breaks the rules of quoting is reported with its first line, and reading continues at the next.
"""

import csv
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
    """The lines of a text; those of the current record can be read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self.record: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if len(self.record) == MAX_RECORD_LINES:
            raise csv.Error(f"a cell has more than {MAX_RECORD_LINES} lines")
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.record.append(line)
        return line

    def keep_first(self) -> str:
        """Give all lines of the record back but the first, and return that."""
        first, *rest = self.record
        self._returned.extendleft(reversed(rest))
        return first


def csv_records(
    lines: Iterator[str], delimiter: str, is_row: Callable[[str], bool]
) -> Iterator[tuple[int, Record]]:
    """Each record with the number of its first line, from 1.

    If a quoted cell contains a line for which ``is_row`` is true, two rows have a stray quote each. Nothing
    shows where their cells end: all lines of the record are unreadable.
    """
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    source, number = _Lines(lines), 1
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.record = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, _unreadable(source.keep_first(), delimiter, _explained(error))
            number += 1
            reader = csv.reader(source, delimiter=delimiter, strict=True)
            continue
        if len(source.record) > 1 and any(map(is_row, source.record[1:])):
            last = number + len(source.record) - 1
            for line in source.record:
                yield (
                    number,
                    _unreadable(line, delimiter, f"lines up to {last} are in one quoted cell: {_HINT}"),
                )
                number += 1
            continue
        yield number, cells
        number += len(source.record)


def raw_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line in which a quote means nothing."""
    return line.rstrip("\r\n").split(delimiter)


def _unreadable(line: str, delimiter: str, reason: str) -> Unreadable:
    return Unreadable(raw_cells(line, delimiter), reason)


def _explained(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return f"a quoted cell has no end: {_HINT}"
    if "expected after" in str(error):
        return f"a quoted cell ends within the cell: {_HINT}"
    return f"{error}: {_HINT}"
