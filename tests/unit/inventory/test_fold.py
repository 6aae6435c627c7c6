import pytest

from inventory.row_fold import Gap, Unfoldable, fold, hold
from schemas.events import BookAdded, BookBorrowed, BookRemoved, BookReturned, Event
from schemas.row import Held, InventoryRow

ISBN = "9781593275846"
ADDED = BookAdded(ISBN, "Elixir in Action", "Sasa Juric", 2, 10)
LENT = BookBorrowed(ISBN, "ann", 20, 99)


def folded(*events: Event) -> InventoryRow:
    row = None
    for version, event in enumerate(events, 1):
        row = fold(row, version, event)
    assert row is not None
    return row


def test_folding_a_known_version_again_changes_nothing():
    row = folded(ADDED, LENT)
    assert fold(row, 2, LENT) is row


def test_a_missing_version_stops_the_fold():
    with pytest.raises(Gap, match="version 4 follows 2"):
        fold(folded(ADDED, LENT), 4, LENT)
    with pytest.raises(Gap, match="version 2 follows 0"):
        fold(None, 2, LENT)


def test_version_1_starts_the_row_anew():
    other = BookAdded(ISBN, "As the fold reads it today", "", 7, 10)
    assert fold(folded(ADDED, LENT), 1, other) == folded(other)


def test_a_removed_title_keeps_a_row():
    row = folded(ADDED, BookRemoved(ISBN, 30))
    assert (row.removed, row.version, row.quantity, row.available, row.updated_at) == (True, 2, 0, 0, 30)


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], LENT),
        ([ADDED, BookRemoved(ISBN, 20)], LENT),
        ([ADDED], BookReturned(ISBN, "ann", 20)),
        ([ADDED, LENT], BookRemoved(ISBN, 30)),
        ([BookAdded(ISBN, "T", "", 1, 1), LENT], BookBorrowed(ISBN, "bob", 30, 99)),
    ],
)
def test_an_event_that_contradicts_the_row_is_refused(before: list[Event], event: Event):
    row = folded(*before) if before else None
    with pytest.raises(Unfoldable):
        fold(row, len(before) + 1, event)


def test_a_held_row_waits_for_the_event_it_is_held_at():
    held = hold(folded(ADDED), ISBN, Held(2, 17, "unknown schema"))
    assert fold(held, 3, LENT) is held
    assert hold(held, ISBN, Held(3, 18, "another")) is held
    after = fold(held, 2, LENT)
    assert (after.held, after.version, after.available) == (None, 2, 1)


def test_a_title_whose_first_event_is_held_has_a_placeholder():
    held = hold(None, ISBN, Held(1, 0, "truncated"))
    assert (held.version, held.title, held.quantity) == (0, "", 0)
    assert fold(held, 2, LENT) is held
    assert fold(held, 1, ADDED) == folded(ADDED)
