"""A list that was read during changes is compared with the states at and after its position."""

from pathlib import Path

import pytest

from eventstore.partitions import partition_of
from library.checks.api_listing import Listing, listed


def test_every_page_of_the_query_api_is_kept_by_partition(tmp_path: Path):
    pages = {None: ([{"isbn": "1"}, {"isbn": "2"}], "c"), "c": ([{"isbn": "3"}, {"isbn": "4"}], None)}

    def ask(_, route, parameters):
        items, following = pages[parameters["cursor"]] if route == "inventory" else ([], None)
        return {"items": items, "next_cursor": following}, "0:5,2:7" if items else ""

    found = listed(None, ask, tmp_path, 3)
    for partition in range(3):
        expected = [{"isbn": isbn} for isbn in "1234" if partition_of(isbn, 3) == partition]
        assert list(found.titles.of(partition)) == expected
    assert found.titles.position == {0: 5, 2: 7}
    assert found.loans.position == {}
    assert [*found.loans.of(0), *found.loans.of(1), *found.loans.of(2)] == []


def test_loans_are_kept_with_tokens_and_no_name_is_written_to_a_file(tmp_path: Path):
    loan = {"isbn": "1", "user_id": "card-0048213", "patron": "p~0123456789abcdef"}

    def ask(_, route, parameters):
        return {"items": [loan] if route == "loans" else [], "next_cursor": None}, ""

    (kept,) = listed(None, ask, tmp_path, 1).loans.of(0)
    assert kept["user_id"] == "p~0123456789abcdef"
    assert not any(b"card-0048213" in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("listed", "differences"),
    [
        # At the position 5 there was "b"; it became "c" at 7
        ("b", []),
        ("c", []),
        ("a", [("key", "b", {"is": "a"})]),
        ("d", [("key", "b", {"is": "d"})]),
        # It was there all the time
        (None, [("key", "c", None)]),
    ],
)
def test_a_listed_title_must_match_a_state_since_the_position(listed, differences):
    items = {} if listed is None else {"key": {"is": listed}}
    listing: Listing[str, str | None] = Listing(items, 5, lambda state: {"is": state})
    for offset, state in ((1, "a"), (3, "b"), (7, "c")):
        listing.change("key", offset, state)
    assert list(listing.differences()) == differences


@pytest.mark.parametrize(
    ("states", "listed", "differences"),
    [
        # There at the position and still there, but not listed
        ([(5, "a")], None, [("key", "a", None)]),
        # Not there before
        ([(6, "a")], None, []),
        ([(6, "a")], "a", []),
        # Gone since, so either is right
        ([(5, "a"), (6, None)], "a", []),
        ([(5, "a"), (6, None)], None, []),
        # Gone before
        ([(4, "a"), (5, None)], "a", [("key", None, {"is": "a"})]),
        ([(4, "a"), (5, None)], None, []),
        ([], "a", [("key", None, {"is": "a"})]),
    ],
)
def test_a_title_added_or_removed_since_the_position_may_be_absent(states, listed, differences):
    items = {} if listed is None else {"key": {"is": listed}}
    listing: Listing[str, str | None] = Listing(items, 5, lambda state: {"is": state})
    for offset, state in states:
        listing.change("key", offset, state)
    assert list(listing.differences()) == differences
