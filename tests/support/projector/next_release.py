"""The next release, as far as a replay is concerned: a row counts how often its title was ever lent."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import fastavro
from msgspec.structs import replace

from eventstore import avro
from inventory import projection, row_fold
from projector.fold import wire_form, wire_row
from schemas import codec
from schemas.events import BookBorrowed, Event
from schemas.row import InventoryRow

ROW_SCHEMA_ID = 102


class CountingRow(InventoryRow, frozen=True):
    """A row with a new field. Like every new field it has a default, for rows written before."""

    lent: int = 0


# The contract knows a type by its name
CountingRow.__name__ = "InventoryRow"

_fold = row_fold.fold


def _counting_fold(row: InventoryRow | None, version: int, event: Event) -> InventoryRow:
    after = _fold(row, version, event)
    if after is row:
        return row
    before = row.lent if isinstance(row, CountingRow) and version > 1 else 0
    return replace(after, lent=before + isinstance(event, BookBorrowed))


@contextmanager
def installed() -> Iterator[None]:
    """Make this process one of the next release."""
    with appended_fields({"lent": 0}, CountingRow), ExitStack() as patches:
        for module in (row_fold, projection, wire_row):
            patches.enter_context(patch.object(module, "fold", _counting_fold))
        patches.enter_context(patch.object(row_fold, "InventoryRow", CountingRow))
        wire_row.fast_path.cache_clear()
        yield
    wire_row.fast_path.cache_clear()


@contextmanager
def appended_fields(fields: dict[str, int], row: type[InventoryRow]) -> Iterator[None]:
    """Commit a new version of InventoryRow's schema, with these numbers after the other fields."""
    old = codec.newest("InventoryRow")
    schema = json.loads(old.text)
    schema["fields"] += [{"name": name, "type": "long", "default": value} for name, value in fields.items()]
    parsed: Any = fastavro.parse_schema(avro._without_logical_types(schema), named_schemas={})
    new = codec.Schema(ROW_SCHEMA_ID, old.subject, old.version + 1, json.dumps(schema), parsed)
    writers = {name: writer for name, writer in codec.CODEC._writers.items() if name != "InventoryRow"}
    with (
        patch.dict(codec.CODEC.schemas, {ROW_SCHEMA_ID: new}),
        patch.dict(codec.CODEC._newest, {"InventoryRow": new}),
        patch.dict(codec.CODEC._types, {"InventoryRow": row}),
        patch.dict(codec.CODEC._writers, writers, clear=True),
    ):
        wire_form.start.cache_clear()
        wire_row.fast_path.cache_clear()
        try:
            yield
        finally:
            wire_form.start.cache_clear()
            wire_row.fast_path.cache_clear()
