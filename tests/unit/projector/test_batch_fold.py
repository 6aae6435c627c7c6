"""The quick fold is the plain fold: same rows, byte for byte, whatever stands in the event store."""

from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eventstore.keys import event_key
from eventstore.table_position import POSITION_KEY
from inventory.projection import project
from inventory.row_fold import Gap
from projector.fold import batch_fold
from projector.fold.batch_fold import PartitionFold
from projector.projection import Discontinuous
from schemas.codec import decode, encode
from schemas.events import (
    BookAdded,
    BookBorrowed,
    CopiesAdded,
)
from schemas.row import InventoryRow
from tests.support.projector.encoded_events import (
    CORRECTED,
    ISBN,
    LENT,
    MORE,
    NOW,
    OTHER,
    values,
)
from tests.support.workload import workload

sequences = st.lists(
    st.tuples(st.none() | values(), st.sampled_from(["next"] * 12 + ["again", "first"])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(sequences, st.integers(1, 10))
@example([(encode(BookAdded(ISBN, "t", "a", -1, NOW)), "first"), (CORRECTED, "next")], 1)
@example([(encode(BookAdded(ISBN, "t", "a", -2, NOW)), "first"), (MORE, "next")], 1)
def test_a_batch_fold_equals_the_plain_fold_for_any_sequence(sequence, size):
    added = encode(BookAdded(ISBN, "Elixir in Action", "Saša Jurić", 3, NOW))
    records, version = [(0, event_key(ISBN, 1), added)], 1
    for offset, (value, which) in enumerate(sequence, 1):
        version = {"next": version + 1, "again": max(1, version - 1), "first": 1}[which]
        records.append((offset, event_key(ISBN, version), value))
    plain: InventoryRow | None = None
    table: dict[bytes, bytes] = {}
    fold = PartitionFold(table.get)
    for start in range(0, len(records), size):
        batch = records[start : start + size]
        try:
            for offset, key, value in batch:
                plain = project(plain, ISBN, int(key[14:]), offset, value)
        except Gap:
            with pytest.raises(Discontinuous):
                fold.add(batch)
            return
        assert fold.add(batch) is None
        rows = list(fold.take())
        assert len(rows) <= 1, "a title is written once"
        table.update(rows)
        assert table == {ISBN.encode(): encode(plain)}


def test_a_batch_fold_equals_the_plain_fold_over_a_long_workload():
    table: dict[bytes, bytes] = {}
    plain: dict[bytes, InventoryRow] = {}
    fold = PartitionFold(table.get)
    life = workload(100, seed=3)
    for round_number in range(30):
        batch = []
        for offset, happened in enumerate(islice(life, 100)):
            isbn, value = happened.event.isbn, encode(happened.event)
            batch.append((offset, event_key(isbn, happened.version), value))
            row = plain.get(isbn.encode())
            plain[isbn.encode()] = project(row, isbn, happened.version, offset, value)
        assert fold.add(batch) is None
        if round_number % 3 == 2:
            rows = fold.take()
            table.update(rows)
            assert len(rows) == len(dict(rows)), "a title is written once"
            fold.forget()
    assert table == {isbn: encode(row) for isbn, row in plain.items()}


def no_row(key: bytes) -> bytes | None:
    """An empty table."""
    return None


def test_nearly_all_events_take_the_fast_path(monkeypatch):
    slow = []

    def counted(*given: Any) -> InventoryRow:
        slow.append(given)
        return project(*given)

    monkeypatch.setattr(batch_fold, "project", counted)
    fold = PartitionFold(no_row)
    for happened in islice(workload(100, seed=3), 2000):
        fold.add([(0, event_key(happened.event.isbn, happened.version), encode(happened.event))])
    assert len(slow) < 2000 * 0.01


def _rows(table, *records):
    """What a new fold makes of the records."""
    fold = PartitionFold(table.get)
    assert fold.add(records) is None
    return dict(fold.take())


def test_a_title_is_written_once_per_batch_in_its_last_state():
    borrowed = [
        (n, event_key(ISBN, n), encode(BookBorrowed(ISBN, f"user{n}", NOW, NOW))) for n in range(2, 9)
    ]
    added = (1, event_key(ISBN, 1), encode(BookAdded(ISBN, "t", "a", 10, NOW)))
    (row,) = _rows({}, added, *borrowed).values()
    assert (decode(row).version, decode(row).available) == (8, 3)


def test_events_folded_before_change_nothing():
    added = (0, event_key(ISBN, 1), encode(BookAdded(ISBN, "t", "a", 10, NOW)))
    lent = (1, event_key(ISBN, 2), encode(BookBorrowed(ISBN, "ann", NOW, NOW)))
    table: dict[bytes, bytes] = {}
    table.update(_rows(table, added, lent))
    assert _rows(table, lent) == {}
    # Version 1 starts the row anew, so that a replay computes it with today's fold
    assert _rows(table, added) != {}


@pytest.mark.parametrize(
    "key", [b"9780000000002", b"978000000000X/1", b"9780000000002/0", b"", None, b"__position__"]
)
def test_an_unparseable_key_ends_the_batch_before_it(key):
    added = encode(BookAdded(ISBN, "t", "a", 10, NOW))
    fold = PartitionFold(no_row)
    stopped = fold.add([(7, event_key(ISBN, 1), added), (8, key, added), (9, event_key(OTHER, 1), added)])
    assert stopped is not None
    assert stopped.offset == 8
    assert [name for name, _ in fold.take()] == [ISBN.encode()]


def test_the_memory_of_a_fold_grows_with_its_rows_and_is_an_upper_bound():
    fold, life = PartitionFold(no_row), workload(200, seed=3)
    for step in islice(life, 2000):
        fold.add([(0, event_key(step.event.isbn, step.version), encode(step.event))])
    memory, unwritten = fold.memory, fold.unwritten
    fold.measure(enough=199 * batch_fold.ROW_BYTES)
    assert fold.memory == memory, "so many rows need not be counted"
    fold.measure(enough=200 * batch_fold.ROW_BYTES)
    assert 200 * batch_fold.ROW_BYTES < fold.memory <= memory
    assert fold.unwritten <= unwritten
    rows = dict(fold.take())
    assert sum(map(len, rows.values())) <= unwritten
    assert fold.unwritten == 0
    fold.forget()
    assert fold.memory == 0


def test_a_fold_reads_a_row_again_after_it_was_forgotten_twice():
    read = []

    def reading(key: bytes) -> bytes | None:
        if key == POSITION_KEY:
            return None
        read.append(key)
        return encode(LENT)

    fold = PartitionFold(reading)
    for version in (3, 4, 5):
        fold.add([(version, event_key(ISBN, version), encode(CopiesAdded(ISBN, 1, NOW)))])
        fold.take()
        fold.forget()
    assert len(read) == 1
    fold.forget()
    assert fold.add([(2, event_key(ISBN, 2), MORE)]) is None
    assert len(read) == 2
