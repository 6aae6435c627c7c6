"""Two moments compared, and ranges of past changes, equal independent folds of the events."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.row_fold import fold
from query_api.documents import title_document
from query_api.queries.diff import FIELDS
from schemas.events import BookAdded, BookBorrowed, BookRemoved, BookReturned, Event
from schemas.row import InventoryRow
from schemas.times import rfc3339
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START, event_logs

A, B, C = sorted(ISBNS)[:3]


def values_at(events: list[Event], moment: int) -> dict[str, dict[str, Any]]:
    """The compared fields of each title in the inventory at ``moment``."""
    rows: dict[str, InventoryRow] = {}
    for event in events:
        if event.timestamp <= moment:
            row = rows.get(event.isbn)
            rows[event.isbn] = fold(row, 1 if row is None else row.version + 1, event)
    present = {
        isbn: msgspec.to_builtins(title_document(row)) for isbn, row in rows.items() if not row.removed
    }
    return {isbn: {name: title[name] for name in FIELDS} for isbn, title in present.items()}


def expected_difference(events: list[Event], before: int, after: int) -> list[dict[str, Any]]:
    old, new = values_at(events, before), values_at(events, after)
    found = []
    for isbn in sorted(old.keys() | new.keys()):
        one, other = old.get(isbn, {}), new.get(isbn, {})
        if one != other:
            fields = {
                name: {"before": one.get(name), "after": other.get(name)}
                for name in FIELDS
                if one.get(name) != other.get(name)
            }
            change = "added" if not one else "removed" if not other else "changed"
            found.append({"isbn": isbn, "change": change, "fields": fields})
    return found


def all_items(api: ApiWithoutKafka, path: str) -> list[dict[str, Any]]:
    items, cursor = list[dict[str, Any]](), ""
    while True:
        page = api.ask(path + cursor).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


@settings(max_examples=40, deadline=None)
@given(event_logs(), st.integers(-1, 100), st.integers(0, 100), st.integers(1, 4))
def test_the_difference_of_two_moments_is_that_of_two_folds(
    events: list[Event], start: int, length: int, limit: int
):
    before, after = START + start, START + start + length
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("query_api.queries.diff.MAX_FOLDED_TITLES", 2)
        patch.setattr("query_api.queries.diff.MAX_PASSED_TITLES", 3)
        api = ApiWithoutKafka(Path(folder), events)
        query = f"/diff?from={rfc3339(before)}&to={rfc3339(after)}"
        found = all_items(api, f"{query}&limit={limit}")
        short = [{name: item[name] for name in ("isbn", "change", "fields")} for item in found]
        assert short == expected_difference(events, before, after)
        for isbn in ISBNS:
            assert all_items(api, f"{query}&isbn={isbn}") == [i for i in found if i["isbn"] == isbn]
        changes = all_items(api, f"/changes?from={rfc3339(before)}&to={rfc3339(after)}&limit={limit}")
        expected = [(e.isbn, type(e).__name__) for e in events if before <= e.timestamp <= after]
        assert sorted((c["isbn"], c["type"]) for c in changes) == sorted(expected)
        assert [c["time"] for c in changes] == sorted(c["time"] for c in changes)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    events: list[Event] = [
        BookAdded(A, "T", "A", 2, START),
        BookAdded(B, "Gone", "", 1, START),
        BookBorrowed(A, "ann", START + 10, START + 99),
        BookReturned(A, "ann", START + 20),
        BookRemoved(B, START + 20),
        BookAdded(C, "Late", "", 1, START + 30),
    ]
    return ApiWithoutKafka(tmp_path_factory.mktemp("diff"), events)


def test_what_was_undone_between_the_moments_is_no_difference(api: ApiWithoutKafka):
    (gone,) = all_items(api, f"/diff?from={rfc3339(START)}&to={rfc3339(START + 20)}")
    assert (gone["isbn"], gone["change"], gone["from_version"], gone["to_version"]) == (B, "removed", 1, 2)
    assert gone["fields"]["title"] == {"before": "Gone", "after": None}
    assert [item["isbn"] for item in all_items(api, "/diff")] == [A, C]


def test_past_changes_name_no_patron_and_take_the_filters_of_events(api: ApiWithoutKafka):
    answer = api.ask(f"/changes?from={rfc3339(START + 1)}&to={rfc3339(START + 20)}&isbn={A}&limit=1")
    assert answer.headers["cache-control"] == "no-store"
    assert 'rel="next"' in answer.headers["link"]
    assert "ann" not in answer.text
    (change,) = answer.json()["items"]
    (event,) = api.ask(f"/events?isbn={A}&type=BookBorrowed").json()["items"]
    assert change == {name: event[name] for name in ("isbn", "version", "type", "time", "position")}
    after = all_items(api, f"/changes?from={event['position']}&type=BookReturned")
    assert [item["version"] for item in after] == [3]
    assert all_items(api, f"/changes?to={event['position']}&type=BookBorrowed") == [change]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/changes?limit=3", "filters_without_range"),
        ("/changes?from=0:1&since=0:1", "range_and_stream"),
        ("/changes?from=0:1&once=read", "range_and_stream"),
        ("/changes?from=99:1", "bad_position"),
        ("/changes?to=yesterday", "bad_time"),
        ("/changes?from=0:1&type=Nothing", "bad_type"),
        ("/changes?from=0:1&cursor=abc", "bad_cursor"),
        (f"/diff?from={rfc3339(START + 1)}&to={rfc3339(START)}", "bad_range"),
        ("/diff?to=2999-01-01T00:00:00Z", "in_the_future"),
        ("/diff?from=2024-01-01", "bad_time"),
        ("/diff?isbn=12", "bad_isbn"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(api: ApiWithoutKafka, path: str, code: str):
    answer = api.ask(path)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
