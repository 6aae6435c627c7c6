"""A row as bytes: its fold is the plain fold, byte for byte, whatever stands in the event store."""

from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventstore.keys import event_key
from inventory.projection import project
from projector.fold import wire_row
from projector.fold.batch_fold import PartitionFold
from projector.fold.wire_form import encoded, marked, version_of
from schemas.codec import decode, encode
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    LoanRenewed,
)
from schemas.row import Held, Loan
from tests.support.projector.encoded_events import (
    ALL_LENT,
    BY_ANN,
    BY_BOB,
    CORRECTED,
    DAMAGED,
    ISBN,
    LENT,
    LONG_TIME,
    LOST,
    MORE,
    NOW,
    OTHER,
    RENEWED,
    RETURNED,
    rows,
    values,
)
from tests.support.workload import workload

NAME = ISBN.encode()


def no_row(key: bytes) -> bytes | None:
    """An empty table."""
    return None


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


OTHERS = tuple(Loan(user, NOW, NOW) for user in ("a\x02b", "v" * 50, "ann"))


@pytest.mark.parametrize("others", [OTHERS, OTHERS[1:], OTHERS[::-1]], ids=["first", "second", "last"])
@pytest.mark.parametrize("user", ["b", "d" + "v" * 50])
def test_a_borrower_whose_bytes_stand_within_other_loans_has_none_of_them(user, others):
    """The last byte of a time may be the length of such a borrower: ``d`` is that of 50 bytes."""
    row = replace(LENT, quantity=9, available=6, loans=others)
    returned, renewed = encode(BookReturned(ISBN, user, NOW)), encode(LoanRenewed(ISBN, user, NOW, NOW + 9))
    borrowed = encode(BookBorrowed(ISBN, user, NOW, NOW))
    for value in (returned, renewed, borrowed):
        _compare(row, value)
    row = project(row, ISBN, row.version + 1, 0, borrowed)
    for value in (returned, renewed, borrowed):
        _compare(row, value)


def test_a_borrower_whose_bytes_stand_in_the_first_loan_behind_an_accent_has_none():
    """Before a later loan there is a time, before the first one an author."""
    row = replace(LENT, author="José", loans=(Loan("\x02b", NOW, NOW),))
    _compare(row, encode(BookReturned(ISBN, "b", NOW)))
    _compare(row, encode(BookReturned(ISBN, "\x02b", NOW)))


@pytest.mark.parametrize("copies", [8_190, 8_191, 8_192, 65_535, 65_536, 2**31])
def test_large_shelves_and_versions_are_folded_as_by_the_plain_fold(copies):
    for value in (encode(CopiesAdded(ISBN, 1, NOW)), encode(CopiesAdded(ISBN, 8_191, NOW)), BY_BOB, RETURNED):
        _compare(replace(LENT, quantity=copies, available=copies), value)
        _compare(replace(LENT, version=copies), value)


def test_a_borrower_who_is_shorter_than_the_length_in_front_has_no_loan():
    returned = encode(BookReturned(ISBN, "annabel", NOW))
    row = replace(LENT, loans=(Loan("annabel", NOW, NOW),))
    _compare(row, returned)
    _compare(row, returned.replace(b"annabel", b"annab"))


@settings(max_examples=400, deadline=None)
@given(rows, values())
def test_the_fast_fold_of_any_bytes_on_any_row_equals_the_plain_fold(row, value):
    _compare(row, value)


def _compare(row, value):
    wire = wire_row.of(row)
    if wire is None:
        return
    assert encoded(wire, NAME) == encode(row)
    if after := wire_row.apply(wire, NAME, event_key(ISBN, row.version + 1), value):
        assert encoded(after, NAME) == encode(project(row, ISBN, row.version + 1, 0, value))
        assert version_of(after) == row.version + 1
        again = wire_row.of(decode(encoded(after, NAME)))
        assert again is None or after == marked(again, changed=True)


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
    wire = wire_row.stored(NAME, data)
    if wire is None:
        return
    assert encoded(wire, NAME) == data
    assert wire == wire_row.of(decode(data))


def test_rows_of_the_workload_are_taken_apart_by_slices():
    fold, taken = PartitionFold(no_row), dict[bytes, bytes]()
    for step in islice(workload(100, seed=3), 2000):
        fold.add([(0, event_key(step.event.isbn, step.version), encode(step.event))])
        taken.update(fold.take())
    slow = [data for name, data in taken.items() if wire_row.stored(name, data) is None]
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
    wire = wire_row.added(NAME, value)
    if wire is not None:
        assert encoded(wire, NAME) == encode(project(None, ISBN, 1, 0, value))


@pytest.mark.parametrize("value", [BY_BOB, RETURNED, RENEWED, MORE, DAMAGED, LOST, CORRECTED])
def test_events_that_the_rules_allow_take_the_fast_path(value):
    wire = wire_row.of(LENT)
    assert wire is not None
    assert wire_row.apply(wire, NAME, event_key(ISBN, LENT.version + 1), value)


@pytest.mark.parametrize("version", [1, 9, 4_094, 4_095, 4_096, 10**6])
def test_only_the_next_version_takes_the_fast_path(version):
    wire = wire_row.of(replace(LENT, version=version))
    assert wire is not None
    for other in (version - 1, version, version + 2, 10 * (version + 1)):
        assert not wire_row.apply(wire, NAME, event_key(ISBN, other), MORE)
    after = wire_row.apply(wire, NAME, event_key(ISBN, version + 1), MORE)
    assert decode(encoded(after, NAME)).version == version + 1
