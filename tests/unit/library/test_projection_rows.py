"""A projection's rows, folded again by the projection itself, beside those that its table has."""

import pytest

from examples.patron_loans.projection import CODEC, PROJECTION, PatronLoan, PatronRow
from library.checks.projection_rows import BadEvent, RowDifference, _Comparison
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed
from tests.support.kafka_records import message

ISBN = "9781593275846"
ROW = PatronRow(user_id="ann", loans=(PatronLoan(ISBN, 2, 9),), first_offset=1, last_offset=1)


def differences(*stored: PatronRow, more: dict[bytes, bytes] | None = None) -> list[RowDifference]:
    """The differences of a table with these rows from one with ann's loan."""
    comparison = _Comparison(0, PROJECTION)
    comparison.rows |= {row.user_id.encode(): CODEC.encode(row) for row in stored} | (more or {})
    for offset, event in enumerate([BookAdded(ISBN, "t", "a", 1, 1), BookBorrowed(ISBN, "ann", 2, 9)]):
        comparison.fold(message(offset, ISBN, offset + 1, encode(event)))
    checked = comparison.checked(2)
    assert (checked.following, checked.rows) == (2, 1)
    return list(checked.differences)


def test_equal_rows_are_no_difference():
    assert differences(ROW) == []


def test_a_missing_row_a_stray_one_and_one_that_is_damaged_are_differences():
    summaries = [
        one.summary for one in [*differences(), *differences(ROW, more={b"\xff": CODEC.encode(ROW)})]
    ]
    assert summaries == ["the row is missing", "no events produce this row"]
    (damaged,) = differences(more={b"ann": b"\0\0\0\0\xc8"})
    assert damaged.summary.startswith("the row can't be read: ")
    assert (damaged.key, damaged.found) == ("ann", None)


def test_the_summary_of_a_difference_names_fields_but_no_borrower():
    (difference,) = differences(PatronRow(user_id="ann", first_offset=1, last_offset=5))
    assert difference.summary == "differs in last_offset, loans"


@pytest.mark.parametrize("value", [None, b"damaged"])
def test_an_event_that_the_projection_cannot_fold_ends_the_comparison(value: bytes | None):
    comparison = _Comparison(3, PROJECTION)
    comparison.fold(message(7, ISBN, 8, value))
    with pytest.raises(BadEvent, match="partition 3 can't be folded beyond offset 7"):
        comparison.checked(8)
