"""Rows on stdout: a table on a terminal, tab-separated and whole in a pipe, JSON lines where asked for."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]
_SHORT = 24
"""Characters of a cell that is shown in one piece, as a time is, when the terminal is narrow."""


def print_rows(columns: Iterable[str], rows: Iterable[Row], as_json: bool = False) -> None:
    """Print the ``columns`` of ``rows``; with ``as_json`` each row whole, as one object a line."""
    names = list(columns)
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    elif sys.stdout.isatty():
        _table(names, rows)
    else:
        for row in rows:
            sys.stdout.write("\t".join(_text(row.get(name)) for name in names) + "\n")


def _table(names: list[str], rows: Iterable[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    # Who wants no colour gets no other decoration either
    style = "" if console.no_color else "bold"
    table = Table(box=None, pad_edge=False, header_style=style, padding=(0, 2, 0, 0))
    kept = list(rows)
    for name in names:
        numbers = all(isinstance(row.get(name), int | float | None) for row in kept)
        short = max((len(_text(row.get(name))) for row in kept), default=0) <= _SHORT
        table.add_column(
            name.replace("_", " "), justify="right" if kept and numbers else "left", no_wrap=short
        )
    for row in kept:
        table.add_row(*(Text(_text(row.get(name))) for name in names))
    console.print(table)


def _text(value: object) -> str:
    """A cell: no line end or tab in it can be taken for the table's own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return " ".join(text.splitlines()).replace("\t", " ")
