"""The quick fold is the plain fold: same rows, byte for byte, whatever stands in the event store."""

from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventstore.keys import event_key
from eventstore.table_position import POSITION_KEY
from inventory.projection import project
from inventory.row_fold import Gap
from projector.fold import batch_fold
from projector.fold.batch_fold import PartitionFold
from projector.fold.wire_row import WireRow
from projector.projection import Discontinuous
from schemas.codec import decode, encode
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    LoanRenewed,
)
from schemas.row import Held, InventoryRow, Loan
from tests.support.workload import workload

ISBN = "9780000000002"
OTHER = "9780000000019"
NOW = 1_763_900_000_000

times = st.one_of(
    *[st.integers(NOW, NOW + 10**9)] * 4,
    st.sampled_from([0, -1, 63, 2**34 - 1, 2**34, 2**41 - 1, 2**41, 2**62, -(2**40)]),
)
users = st.sampled_from(["ann", "bob"] * 6 + ["", "Žofie", "x" * 63, "x" * 64, "日" * 21, "\x7f"])
texts = st.sampled_from(["", "Elixir", "日本", "t" * 63, "t" * 64, "t" * 4095, "t" * 4096])
copies = st.sampled_from([1, 2, 3, 63, 64, 4095, 4096, 10**6, -1, 0])
isbns = st.sampled_from([ISBN] * 15 + [OTHER])
events = st.one_of(
    *[st.builds(BookBorrowed, isbns, users, times, times)] * 3,
    *[st.builds(BookReturned, isbns, users, times)] * 3,
    *[st.builds(LoanRenewed, isbns, users, times, times)] * 2,
    st.builds(BookAdded, isbns, texts, texts, copies, times),
    st.builds(CopiesAdded, isbns, copies, times),
    st.builds(CopiesWithdrawn, isbns, copies, st.just("lost"), times, st.none() | users),
    st.builds(DetailsCorrected, isbns, texts, texts, times),
    st.builds(BookRemoved, isbns, times),
)
rows = st.builds(
    InventoryRow,
    st.just(ISBN), texts, texts, st.integers(0, 3), st.integers(0, 2),
    st.lists(st.builds(Loan, users, times, times), max_size=3).map(tuple),
    st.just(False), st.sampled_from([1, 62, 63, 64, 8191]), times,
)  # fmt: skip


@st.composite
def values(draw) -> bytes:
    """Events as encoded, about half of them damaged a little."""
    value = bytearray(encode(draw(events)))
    match draw(st.integers(0, 13)):
        case 0:
            del value[draw(st.integers(0, len(value))) :]
        case 1:
            value += b"\x00"
        case 2:
            # Numbers in more bytes than needed say the same, but are not how a row is written
            place = draw(st.integers(19, max(19, len(value) - 1)))
            value[place : place + 1] = [value[place] | 0x80, 0]
        case 3:
            place = -draw(st.integers(1, 13))
            value[place] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        case 4:
            value[draw(st.integers(0, len(value) - 1))] = draw(st.integers(0, 255))
        case 5:
            del value[19:20]
        case 6:
            value[19:20] = bytes([value[19] ^ 1]) if len(value) > 19 else b""
        case 7:
            value[20:21] = b"\xff"
    return bytes(value)


LENT = InventoryRow(ISBN, "t", "a", 2, 1, (Loan("ann", NOW, NOW + 5),), False, 2, NOW)
ALL_LENT = replace(LENT, quantity=1, available=0)
BY_ANN, BY_BOB = encode(BookBorrowed(ISBN, "ann", NOW, NOW)), encode(BookBorrowed(ISBN, "bob", NOW, NOW))
RETURNED, RENEWED = encode(BookReturned(ISBN, "ann", NOW)), encode(LoanRenewed(ISBN, "ann", NOW, NOW))
MORE = encode(CopiesAdded(ISBN, 1, NOW))
DAMAGED = encode(CopiesWithdrawn(ISBN, 1, "damaged", NOW))
LOST = encode(CopiesWithdrawn(ISBN, 1, "lost", NOW, "ann"))
CORRECTED = encode(DetailsCorrected(ISBN, "t", "a", NOW))
LONG_TIME = encode(BookReturned(ISBN, "ann", 0))[:-1] + b"\x80\x80\x80\x80\x80\x00"


@pytest.mark.parametrize("row", [LENT, ALL_LENT], ids=["lent", "all lent"])
@pytest.mark.parametrize(
    "value",
    [
        BY_BOB,
        pytest.param(BY_ANN, id="a second copy"),
        RETURNED,
        pytest.param(encode(BookReturned(ISBN, "bob", NOW)), id="no such loan to return"),
        RENEWED,
        pytest.param(encode(LoanRenewed(ISBN, "bob", NOW, NOW)), id="no such loan to renew"),
        MORE,
        CORRECTED,
        DAMAGED,
        LOST,
        pytest.param(encode(CopiesWithdrawn(ISBN, 2, "sold", NOW)), id="more than on the shelf"),
        pytest.param(encode(CopiesWithdrawn(ISBN, 0, "sold", NOW)), id="no copy withdrawn"),
        pytest.param(encode(CopiesWithdrawn(ISBN, -1, "sold", NOW)), id="less than no copy withdrawn"),
        pytest.param(encode(CopiesWithdrawn(ISBN, 1, "lost", NOW, "bob")), id="no such loan of a lost copy"),
        pytest.param(DAMAGED + b"\x00", id="bytes behind damaged copies"),
        pytest.param(LOST + b"\x00", id="bytes behind a lost copy"),
        pytest.param(DAMAGED[:-7] + b"\x04" + DAMAGED[-6:], id="a borrower of an unknown type"),
        pytest.param(DAMAGED[:21] + b"\xff" + DAMAGED[22:], id="a reason that is no text"),
        pytest.param(DAMAGED[:22], id="a truncated reason"),
        encode(CopiesAdded(ISBN, 8192, NOW)),
        encode(CopiesAdded(ISBN, -1, NOW)),
        pytest.param(BY_BOB[:-1], id="truncated"),
        pytest.param(BY_BOB + b"\x00", id="bytes behind"),
        pytest.param(RETURNED[:-1], id="truncated return"),
        pytest.param(RETURNED + b"\x00", id="bytes behind a return"),
        pytest.param(RENEWED + b"\x00", id="bytes behind a renewal"),
        pytest.param(MORE + b"\x00", id="bytes behind copies"),
        pytest.param(CORRECTED + b"\x00", id="bytes behind a correction"),
        pytest.param(LONG_TIME, id="a number in too many bytes"),
        pytest.param(BY_BOB[:20] + b"\xff" + BY_BOB[21:], id="a user that is no text"),
        pytest.param(BY_BOB[:19] + b"\x07" + BY_BOB[20:], id="a negative length"),
        pytest.param(MORE[:19] + MORE[20:], id="no quantity"),
        pytest.param(MORE[:19] + b"\x82\x00" + MORE[20:], id="a quantity in too many bytes"),
        pytest.param(CORRECTED[:20] + b"\xff" + CORRECTED[21:], id="a title that is no text"),
        pytest.param(CORRECTED[:19] + b"\x82\x00" + CORRECTED[20:], id="a length in too many bytes"),
        pytest.param(CORRECTED[:19] + b"\x01" + CORRECTED[20:], id="a title of negative length"),
        pytest.param(CORRECTED[:19] + b"\x7e" + CORRECTED[20:], id="a title longer than the event"),
        pytest.param(encode(BookReturned(OTHER, "ann", NOW)), id="another title's return"),
        pytest.param(encode(CopiesAdded(OTHER, 1, NOW)), id="another title's copies"),
        b"",
        b"\0\0\0\0\x03",
    ],
)
def test_the_fast_fold_of_one_event_equals_the_plain_fold(row, value):
    _compare(row, value)


@settings(max_examples=400, deadline=None)
@given(rows, values())
def test_the_fast_fold_of_any_bytes_on_any_row_equals_the_plain_fold(row, value):
    _compare(row, value)


def _compare(row, value):
    wire = WireRow.of(row)
    if wire is None:
        return
    assert wire.encoded() == encode(row)
    if wire.apply(ISBN.encode(), event_key(ISBN, row.version + 1), value):
        assert wire.encoded() == encode(project(row, ISBN, row.version + 1, 0, value))
        assert wire.version == row.version + 1
    else:
        assert wire.encoded() == encode(row)


@st.composite
def stored_rows(draw) -> bytes:
    """Rows as stored, half of them damaged."""
    row = draw(rows)
    data = bytearray(encode(replace(row, available=min(row.available, row.quantity))))
    place = draw(st.integers(0, len(data) - 1))
    match draw(st.integers(0, 7)):
        case 0:
            del data[place:]
        case 1:
            data[place] = draw(st.integers(0, 255))
        case 2:
            del data[place]
        case 3:
            data[place : place + 1] = [data[place] | 0x80, 0]
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(stored_rows())
@example(encode(LENT))
@example(encode(replace(LENT, loans=())))
@example(encode(replace(LENT, removed=True, loans=())))
@example(encode(replace(LENT, held=Held(3, 1, "why"))))
@example(encode(replace(LENT, loans=(Loan("ann", NOW, NOW), Loan("ann", NOW, NOW)))))
def test_a_row_taken_apart_by_slices_equals_the_decoded_row(data):
    wire = WireRow.stored(ISBN.encode(), data)
    if wire is None:
        return
    assert wire.encoded() == data
    expected = WireRow.of(decode(data))
    assert expected is not None
    assert {name: getattr(wire, name) for name in WireRow.__slots__} == {
        name: getattr(expected, name) for name in WireRow.__slots__
    }


def test_rows_of_the_workload_are_taken_apart_by_slices():
    fold, taken = PartitionFold(no_row), {}
    for step in islice(workload(100, seed=3), 2000):
        fold.add([(0, event_key(step.event.isbn, step.version), encode(step.event))])
        taken.update(fold.take())
    slow = [data for name, data in taken.items() if WireRow.stored(name, data) is None]
    assert all(decode(data).removed for data in slow)
    assert len(slow) < 10


FIRST = encode(BookAdded(ISBN, "t", "a", 1, NOW))


@pytest.mark.parametrize(
    "value",
    [
        FIRST,
        FIRST[:-1],
        FIRST + b"\x00",
        pytest.param(FIRST[:23] + FIRST[24:], id="no quantity"),
        pytest.param(FIRST[:20] + b"\xff" + FIRST[21:], id="a title that is no text"),
        encode(BookAdded(OTHER, "t", "a", 1, NOW)),
        encode(BookAdded(ISBN, "t", "a", -1, NOW)),
        encode(BookAdded(ISBN, "t", "a", 1, 0)),
        RETURNED,
    ],
)
def test_the_fast_fold_of_a_first_event_equals_the_plain_fold(value):
    _compare_first(value)


@settings(max_examples=200, deadline=None)
@given(values())
def test_the_fast_fold_of_any_first_bytes_equals_the_plain_fold(value):
    _compare_first(value)


def _compare_first(value):
    wire = WireRow.added(ISBN.encode(), value)
    if wire is not None:
        assert wire.encoded() == encode(project(None, ISBN, 1, 0, value))


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
        table.update(fold.take())
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
            table.update(fold.take())
            fold.forget()
    assert table == {isbn: encode(row) for isbn, row in plain.items()}


def no_row(key: bytes) -> bytes | None:
    """An empty table."""
    return None


@pytest.mark.parametrize("value", [BY_BOB, RETURNED, RENEWED, MORE, DAMAGED, LOST, CORRECTED])
def test_events_that_the_rules_allow_take_the_fast_path(value):
    wire = WireRow.of(LENT)
    assert wire is not None
    assert wire.apply(ISBN.encode(), event_key(ISBN, LENT.version + 1), value)


@pytest.mark.parametrize("version", [1, 9, 4_094, 4_095, 4_096, 10**6])
def test_only_the_next_version_takes_the_fast_path(version):
    wire = WireRow.of(replace(LENT, version=version))
    assert wire is not None
    for other in (version - 1, version, version + 2, 10 * (version + 1)):
        assert not wire.apply(ISBN.encode(), event_key(ISBN, other), MORE)
    assert wire.apply(ISBN.encode(), event_key(ISBN, version + 1), MORE)
    assert decode(wire.encoded()).version == version + 1


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
    return fold.take()


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
    assert list(fold.take()) == [ISBN.encode()]


def test_the_memory_of_a_fold_grows_with_its_rows_and_is_an_upper_bound():
    fold, life = PartitionFold(no_row), workload(200, seed=3)
    for step in islice(life, 2000):
        fold.add([(0, event_key(step.event.isbn, step.version), encode(step.event))])
    memory, unwritten = fold.memory, fold.unwritten
    fold.measure()
    assert 200 * batch_fold.ROW_BYTES < fold.memory <= memory
    assert fold.unwritten <= unwritten
    rows = fold.take()
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
