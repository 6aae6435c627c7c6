"""The file of refused rows: as they stood, with the reason, so that it can be mended and fed back."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from producer.imports.columns import Row
from producer.imports.files import REASON, Catalogue, Unreadable, rows


def write_rejects(path: Path, catalogue: Catalogue, refused: Iterator[tuple[int, str]]) -> None:
    """Read the catalogue once more and write its refused rows, in the same format and order.

    A CSV file gets a column ``reason``, JSON lines a member of that name. Raises OSError and BadFile.
    """
    refused_rows = _refused(catalogue, refused)
    with path.open("w", encoding="utf-8", newline="") as file:
        if catalogue.format == "jsonl":
            for row, reason in refused_rows:
                found = row if isinstance(row, dict) else {"line": _found(row)}
                file.write(json.dumps({**found, REASON: reason}, ensure_ascii=False) + "\n")
            return
        columns = catalogue.header
        writer = csv.writer(file, delimiter=catalogue.delimiter, lineterminator="\n")
        writer.writerow([*columns, REASON])
        for row, reason in refused_rows:
            cells = list(_found(row))
            cells += [""] * (len(columns) - len(cells))
            # What is too much stays behind the reason, so that the reason stands in its column
            writer.writerow([*cells[: len(columns)], reason, *cells[len(columns) :]])


def _refused(
    catalogue: Catalogue, refused: Iterator[tuple[int, str]]
) -> Iterator[tuple[Row | Unreadable, str]]:
    wanted = next(refused, None)
    for number, row in rows(catalogue):
        if wanted is None:
            return
        if number == wanted[0]:
            yield row, wanted[1]
            wanted = next(refused, None)


def _found(row: Row | Unreadable) -> Row | str:
    return row.found if isinstance(row, Unreadable) else row
