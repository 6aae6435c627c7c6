"""The fast path under schemas that differ from those it was written for."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from eventstore.keys import event_key
from inventory import row_fold
from inventory.projection import project
from inventory.row_fold import fold
from projector.fold import batch_fold, wire_row
from projector.fold.batch_fold import PartitionFold
from projector.fold.wire_row import fast_path
from schemas.codec import decode, encode, newest
from schemas.events import BookAdded, BookReturned
from schemas.row import InventoryRow, Loan
from tests.support.projector.next_release import appended_fields
from tests.support.workload import workload

ISBN = "9780000000002"
NOW = 1_763_900_000_000


class LargerRow(InventoryRow, frozen=True):
    """A row with two more fields, as a later release might have it."""

    shelf: int = 3
    visits: int = 0


LargerRow.__name__ = "InventoryRow"


@pytest.fixture
def larger_rows() -> Iterator[None]:
    with (
        appended_fields({"shelf": 3, "visits": 0}, LargerRow),
        patch.object(row_fold, "InventoryRow", LargerRow),
    ):
        yield


@pytest.mark.usefixtures("larger_rows")
def test_the_fast_path_carries_the_later_fields_of_a_newer_row(caplog, monkeypatch):
    slow: list[str] = []

    def counted(row: InventoryRow | None, isbn: str, *rest: Any) -> InventoryRow:
        slow.append(isbn)
        return project(row, isbn, *rest)

    monkeypatch.setattr(batch_fold, "project", counted)
    fast = PartitionFold(lambda key: None)
    plain: dict[str, InventoryRow] = {}
    for step in islice(workload(50, seed=3), 500):
        isbn, value = step.event.isbn, encode(step.event)
        fast.add([(0, event_key(isbn, step.version), value)])
        plain[isbn] = project(plain.get(isbn), isbn, step.version, 0, value)
    assert dict(fast.take()) == {isbn.encode(): encode(row) for isbn, row in plain.items()}
    assert len(slow) < 50
    assert caplog.messages == []


@pytest.mark.usefixtures("larger_rows")
def test_an_event_whose_effect_the_fast_path_does_not_know_takes_the_slow_path(caplog, monkeypatch):
    """BookReturned counts a visit in the newer fold."""

    def counting(row, version, event):
        after = fold(row, version, event)
        assert isinstance(after, LargerRow)
        return replace(after, visits=after.visits + 1) if isinstance(event, BookReturned) else after

    monkeypatch.setattr("inventory.projection.fold", counting)
    monkeypatch.setattr("projector.fold.wire_row.fold", counting)
    row = LargerRow(ISBN, "t", "a", 2, 1, (Loan("ann", NOW, NOW + 5),), False, 2, NOW)
    folded = PartitionFold({ISBN.encode(): encode(row)}.get)
    folded.add([(0, event_key(ISBN, 3), encode(BookReturned(ISBN, "ann", NOW)))])
    row = decode(dict(folded.take())[ISBN.encode()])
    assert isinstance(row, LargerRow)
    assert row.visits == 1
    assert caplog.messages == ["no fast path, so a fifth of the speed, for events of type BookReturned"]


def test_the_fast_path_is_off_and_says_so_if_the_row_begins_differently(caplog, monkeypatch):
    fields = [{"name": "other"}, *newest("InventoryRow").parsed["fields"]]
    changed = newest("InventoryRow")._replace(parsed={"fields": fields})
    monkeypatch.setattr("projector.fold.wire_row.newest", lambda name: changed)
    fast_path.cache_clear()
    try:
        value = encode(BookAdded(ISBN, "t", "a", 10, NOW))
        assert wire_row.added(ISBN.encode(), value) is None
        assert wire_row.of(project(None, ISBN, 1, 0, value)) is None
        assert "the fast path is off" in caplog.text
    finally:
        monkeypatch.undo()
        fast_path.cache_clear()
