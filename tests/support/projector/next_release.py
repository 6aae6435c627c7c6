"""The next release, as far as a replay is concerned: a row says how often its title was ever lent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import fastavro
from msgspec.structs import replace

from inventory import projection
from inventory import row_fold as fold
from schemas import codec
from schemas.events import BookBorrowed, Event
from schemas.row import InventoryRow

ROW = 102
"""Its schema id."""


class CountingRow(InventoryRow, frozen=True):
    """A row with the new field; like every new field it has a default, for rows that were written before."""

    lent: int = 0


# The contract knows a type by its name
CountingRow.__name__ = "InventoryRow"


def _counting(row: InventoryRow | None, version: int, event: Event) -> InventoryRow:
    after = fold.fold(row, version, event)
    if after is row:
        return row
    before = row.lent if isinstance(row, CountingRow) and version > 1 else 0
    return replace(after, lent=before + isinstance(event, BookBorrowed))


@contextmanager
def installed() -> Iterator[None]:
    """Have this process be of the next release."""
    old = codec.newest("InventoryRow")
    schema = json.loads(old.text)
    schema["fields"].append({"name": "lent", "type": "long", "default": 0})
    parsed = fastavro.parse_schema(codec._without_logical_types(schema), named_schemas={})
    new = codec.Schema(ROW, old.subject, old.version + 1, json.dumps(schema), parsed)
    with (
        patch.dict(codec.CODEC.schemas, {ROW: new}),
        patch.object(codec, "InventoryRow", CountingRow),
        patch.object(fold, "InventoryRow", CountingRow),
        patch.object(projection, "fold", _counting),
    ):
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    codec.newest.cache_clear()
    codec._writer.cache_clear()
