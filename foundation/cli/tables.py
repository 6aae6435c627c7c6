"""Prints rows on stdout: a table on a terminal, lines with tabs in a pipe, CSV or JSON lines on request."""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from foundation.cli.streams import use_utf_8

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]

MIN_TEXT_CHARACTERS = 12
MIN_WRAPPED_CHARACTERS = 24
_GAP = 2
_NARROW_GAP = 1
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Characters that change the direction of what follows: on a terminal that would be the next cell."""


class Fit(Enum):
    """How the cells of a column are fitted into a narrow terminal."""

    WHOLE = "shown whole on one line"
    TEXT = "cut off to one line"
    WRAPPED = "wrapped over several lines"


class Column(NamedTuple):
    """A column. On a narrow terminal those with the highest ``drop`` are left out first; 0: never.

    ``compact`` shortens its cells where nothing else helps.
    """

    name: str
    fit: Fit = Fit.WHOLE
    drop: int = 0
    compact: Callable[[str], str] = str

    @property
    def heading(self) -> str:
        """The heading on a terminal."""
        return self.name.removesuffix("_id").removesuffix("_at").replace("_", " ")


def print_rows(
    columns: Iterable[str | Column],
    rows: Iterable[Row],
    as_json: bool = False,
    *,
    as_csv: bool = False,
    zone: tzinfo = UTC,
    nothing: str = "",
) -> None:
    """Print the ``columns`` of ``rows``; JSON lines have all members of each row.

    Lines with tabs, and CSV, have a header. A terminal shows times as they are in ``zone``. Without any rows
    ``nothing`` is printed on stderr.
    """
    shown = [column if isinstance(column, Column) else Column(column, Fit.WRAPPED) for column in columns]
    if as_json or as_csv:
        use_utf_8()
    if as_json:
        count = _print_json(rows)
    elif as_csv:
        count = _print_csv(shown, rows)
    elif sys.stdout.isatty():
        from rich.console import Console

        count = print_table(Console(), shown, list(rows), zone)
    else:
        count = _print_lines(shown, rows)
    if not count and nothing:
        click.echo(nothing, err=True)


def _print_json(rows: Iterable[Row]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _print_csv(columns: Sequence[Column], rows: Iterable[Row]) -> int:
    names = [column.name for column in columns]
    writer = csv.DictWriter(sys.stdout, names, extrasaction="ignore", lineterminator="\n")
    count = 0
    for count, row in enumerate(rows, 1):
        if count == 1:
            writer.writeheader()
        writer.writerow({name: _text(row.get(name)) for name in names})
    if not count:
        writer.writeheader()
    return count


def _print_lines(columns: Sequence[Column], rows: Iterable[Row]) -> int:
    names = [column.name for column in columns]
    count = 0
    for count, row in enumerate(rows, 1):
        if count == 1:
            sys.stdout.write("\t".join(names) + "\n")
        sys.stdout.write("\t".join(_cell(row.get(name)) for name in names) + "\n")
    return count


def print_table(
    console: "Console", columns: Sequence[Column], rows: Sequence[Row], zone: tzinfo = UTC
) -> int:
    """Print a table that fits the console's width, or one line for each cell where no table fits."""
    if not rows:
        return 0
    layout = _layout(columns, rows, console.width, zone)
    if layout is None:
        _print_cells(console, columns, rows, zone)
    else:
        _print_layout(console, layout, rows)
    return len(rows)


class _Layout(NamedTuple):
    columns: list[Column]
    cells: dict[str, list[str]]
    widths: list[int]
    gap: int


def _layout(columns: Sequence[Column], rows: Sequence[Row], width: int, zone: tzinfo) -> _Layout | None:
    """The first way to fit the rows into ``width``: times without hours, fewer columns, compact cells."""
    kept = list(columns)
    cells = {
        column.name: [_shown(row.get(column.name), zone, "%Y-%m-%d %H:%M") for row in rows] for column in kept
    }
    if (layout := _fitted(kept, cells, width, _GAP, whole=True)) is not None:
        return layout
    cells = {column.name: [_shown(row.get(column.name), zone, "%Y-%m-%d") for row in rows] for column in kept}
    while True:
        if (layout := _fitted(kept, cells, width, _GAP)) is not None:
            return layout
        last = max(kept, key=lambda column: column.drop)
        if not last.drop:
            break
        kept.remove(last)
    compact = {column.name: [column.compact(cell) for cell in cells[column.name]] for column in kept}
    return _fitted(kept, compact, width, _NARROW_GAP)


def _fitted(
    columns: list[Column], cells: dict[str, list[str]], width: int, gap: int, whole: bool = False
) -> _Layout | None:
    """The columns with a width each, or None if they need more than ``width`` together."""
    natural = [_natural(column, cells[column.name]) for column in columns]
    least = (
        natural if whole else [_least(column, size) for column, size in zip(columns, natural, strict=True)]
    )
    room = width - gap * (len(columns) - 1) - sum(least)
    if room < 0:
        return None
    widths = []
    for size, smallest in zip(natural, least, strict=True):
        more = min(room, size - smallest)
        widths.append(smallest + more)
        room -= more
    return _Layout(columns, cells, widths, gap)


def _natural(column: Column, cells: list[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, (column.heading, *cells)))


def _least(column: Column, natural: int) -> int:
    smallest = {Fit.TEXT: MIN_TEXT_CHARACTERS, Fit.WRAPPED: MIN_WRAPPED_CHARACTERS}
    return min(natural, smallest.get(column.fit, natural))


def _print_layout(console: "Console", layout: _Layout, rows: Sequence[Row]) -> None:
    from rich.table import Table
    from rich.text import Text

    # NO_COLOR removes all decoration
    style = "" if console.no_color else "bold"
    table = Table(box=None, pad_edge=False, header_style=style, padding=(0, layout.gap, 0, 0))
    for column, width in zip(layout.columns, layout.widths, strict=True):
        numbers = all(isinstance(row.get(column.name), int | float | None) for row in rows)
        table.add_column(
            column.heading,
            justify="right" if numbers else "left",
            width=width,
            no_wrap=column.fit is not Fit.WRAPPED,
            overflow="fold" if column.fit is Fit.WRAPPED else "ellipsis",
        )
    for cells in zip(*(layout.cells[column.name] for column in layout.columns), strict=True):
        table.add_row(*map(Text, cells))
    console.print(table)


def _print_cells(console: "Console", columns: Sequence[Column], rows: Sequence[Row], zone: tzinfo) -> None:
    from rich.cells import cell_len, set_cell_size

    for number, row in enumerate(rows):
        if number:
            console.print()
        for column in columns:
            line = f"{column.heading}: {_shown(row.get(column.name), zone, '%Y-%m-%d %H:%M')}"
            if column.fit is Fit.TEXT and cell_len(line) > console.width:
                line = set_cell_size(line, console.width - 1) + "…"
            console.out(line, highlight=False)


def _shown(value: object, zone: tzinfo, form: str) -> str:
    """A cell on a terminal, with all times in it in ``zone`` and ``form``."""
    return _TIME.sub(
        lambda match: datetime.fromisoformat(match[0]).astimezone(zone).strftime(form),
        _cell(value).translate(_DIRECTIONS),
    )


def _cell(value: object) -> str:
    """The value as a text without line ends and tabs, which would look like the table's own."""
    return " ".join(_text(value).splitlines()).replace("\t", " ")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
