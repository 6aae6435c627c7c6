"""The file of rejected rows: as they were, with the reason, to be corrected and imported."""

import csv
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from producer.imports.columns import Row
from producer.imports.csv_records import Unreadable
from producer.imports.files import REASON, Catalogue, rows
from producer.imports.spool import Rejected


def open_rejects(path: Path) -> int:
    """Open or create the file without changing its content; its descriptor. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)


def write_rejects(descriptor: int, catalogue: Catalogue, rejected: Iterator[Rejected]) -> None:
    """Write the rejected rows in the catalogue's format and order, and close the file.

    A CSV file gets a column ``reason``, JSON lines a member of that name. Reads the catalogue once more.
    Raises OSError and BadFile.
    """
    # A pipe or a device can't be truncated
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.ftruncate(descriptor, 0)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        _write(file, catalogue, rejected)


def _write(file: TextIO, catalogue: Catalogue, rejected: Iterator[Rejected]) -> None:
    width = len(catalogue.header)
    writer = csv.writer(file, delimiter=catalogue.delimiter or ",", lineterminator="\n")
    if catalogue.format == "csv":
        writer.writerow([*catalogue.header, REASON])
    for row, reason in _rejected_rows(catalogue, rejected):
        content = row.found if isinstance(row, Unreadable) else row
        if catalogue.format == "jsonl":
            members = content if isinstance(content, dict) else {"line": content}
            file.write(json.dumps({**members, REASON: reason}, ensure_ascii=False) + "\n")
        else:
            cells = [*content, *[""] * (width - len(content))]
            # Surplus cells go after the reason, which keeps it in its column
            writer.writerow([*cells[:width], reason, *cells[width:]])


def _rejected_rows(
    catalogue: Catalogue, rejected: Iterator[Rejected]
) -> Iterator[tuple[Row | Unreadable, str]]:
    wanted = next(rejected, None)
    for line, row in rows(catalogue):
        if wanted is None:
            return
        if line == wanted[0] and row is not None:
            yield row, wanted[1]
            wanted = next(rejected, None)
