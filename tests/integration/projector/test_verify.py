"""``library verify``: silent about a sound system, and finds each row that is not as its events say."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from library.checks.api_listing import Item, Items, Listed, loan_item, title_item
from library.checks.comparison import Behind
from library.checks.inventory_rows import check
from library.store.offsets import end
from schemas.codec import encode
from schemas.events import BookAdded
from schemas.row import InventoryRow
from schemas.topics import INVENTORY, identify
from tests.support.projector.event_store import EventStore
from tests.support.projector.library_command import library
from tests.support.projector.table_check import expected_rows, until_caught_up
from tests.support.projector.topic_damage import admin_of, write_changelog
from tests.support.projector.worker_process import crew_of
from tests.support.stores import new_store

NOW = 1_763_900_000_000


def folded(settings, crew) -> EventStore:
    """An event store that a worker has folded."""
    store = EventStore(settings)
    store.append(300, aborted=0.2)
    crew.start()
    until_caught_up(settings)
    return store


@pytest.fixture(scope="module")
def sound(broker, tmp_path_factory) -> Iterator[EventStore]:
    """A folded store for the tests that leave it sound."""
    settings = new_store(broker, tmp_path_factory.mktemp("sound"), partitions=3)
    with crew_of(settings) as crew:
        yield folded(settings, crew)


def _items(settings, folder: Path, route: str, listed: list[Item], position: dict[int, int]) -> Items:
    items = Items(folder, route, settings.partitions)
    items.add(listed)
    items.position = position
    return items


def _api(settings, folder: Path, **changes) -> Listed:
    """What a query API would list; ``changes`` name other items, or None for one that it leaves out."""
    rows = {isbn: row for isbn, row in expected_rows(settings).items() if not row.removed}
    items = {isbn: title_item(row) for isbn, row in rows.items()} | changes
    loans = [{"isbn": isbn} | loan_item(loan) for isbn, row in rows.items() for loan in row.loans]
    position = {p: offset - 1 for p, offset in end(settings, events_topic(settings)).items()}
    titles = [item for item in items.values() if item]
    return Listed(
        _items(settings, folder, "inventory", titles, position),
        _items(settings, folder, "loans", loans, position),
    )


def _differences(settings, api: Listed | None = None):
    admin = admin_of(settings)
    ends = end(settings, events_topic(settings))
    found = check(settings, INVENTORY, identify(admin, settings).source, ends, api, lambda _: None)
    return [difference for checked in found for difference in checked.differences]


def test_verify_passes_while_events_are_being_written(sound, tmp_path):
    settings = sound.settings
    api = _api(settings, tmp_path)
    # What came after the API's pages were read is no difference
    sound.append(100)
    assert _differences(settings, api) == []
    done = library(settings, "verify", "--table-only", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["differences"] == 0
    assert summary["titles"] == len(expected_rows(settings))


def test_verify_names_rows_that_contradict_their_events(settings, crew):
    folded(settings, crew)
    rows = expected_rows(settings)
    wrong, older, damaged, *_ = [row for row in rows.values() if row.version > 1 and not row.removed]
    stray = InventoryRow("9789999999991", "stray", "", 1, 1, (), False, 1, NOW)
    for row in (replace(wrong, title="wrong"), replace(older, version=older.version - 1), stray):
        write_changelog(settings, partition_of(row.isbn, 3), [(row.isbn.encode(), encode(row))])
    write_changelog(settings, partition_of(damaged.isbn, 3), [(damaged.isbn.encode(), b"damaged")])
    found = {difference.isbn: difference.summary for difference in _differences(settings)}
    assert found.pop(damaged.isbn) == "the row can't be read: first byte 100, not 0"
    assert found == {
        wrong.isbn: f"title 'wrong', not {wrong.title!r}",
        older.isbn: f"version {older.version - 1}, not {older.version}",
        stray.isbn: "no events produce this row",
    }
    done = library(settings, "verify", "--table-only")
    assert done.returncode == 4
    assert f"{wrong.isbn}\ttable\ttitle 'wrong'" in done.stdout
    assert "4 differences" in done.stderr


def test_verify_names_titles_that_the_query_api_shows_wrongly(sound, tmp_path):
    settings = sound.settings
    rows = [row for row in expected_rows(settings).values() if not row.removed]
    wrong, missing, stale, *_ = (row for row in rows if row.version > 1)
    item = title_item(replace(wrong, available=wrong.available + 1))
    old = title_item(replace(stale, version=stale.version - 1))
    stray = title_item(InventoryRow("9789999999991", "stray", "", 1, 1, (), False, 1, NOW))
    changes = {wrong.isbn: item, missing.isbn: None, stale.isbn: old, "9789999999991": stray}
    api = _api(settings, tmp_path, **changes)
    found = {difference.isbn: difference.summary for difference in _differences(settings, api)}
    assert found.keys() == {wrong.isbn, missing.isbn, stale.isbn, "9789999999991"}
    assert f"available {wrong.available + 1}, not {wrong.available}" in found[wrong.isbn]
    assert found[missing.isbn] == "the row is missing"
    assert found[stale.isbn] == f"version {stale.version - 1}, not {stale.version}"
    assert found["9789999999991"] == "no events produce this row"


def test_verify_names_loans_that_the_query_api_shows_wrongly(sound, tmp_path):
    settings = sound.settings
    until_caught_up(settings)
    api = _api(settings, tmp_path)
    wrong, missing, *others = (item for p in range(settings.partitions) for item in api.loans.of(p))
    stray = wrong | {"user_id": "nobody"}
    loans = [wrong | {"due_at": "2050-01-01T00:00:00.000Z"}, stray, *others]
    changed = _items(settings, tmp_path, "changed", loans, api.loans.position)
    found = _differences(settings, Listed(api.titles, changed))
    assert {difference.where for difference in found} == {"api loans"}
    said = Counter((difference.isbn, difference.summary) for difference in found)
    assert said == Counter(
        {
            (wrong["isbn"], f"due_at '2050-01-01T00:00:00.000Z', not {wrong['due_at']!r}"): 1,
            (wrong["isbn"], "no events produce this loan"): 1,
            (missing["isbn"], "the loan is missing"): 1,
        }
    )


def test_verify_reports_a_table_that_does_not_catch_up(settings, crew):
    store = folded(settings, crew)
    crew.end()
    store.write(1, BookAdded("9780000000002", "t", "a", 1, NOW))
    with pytest.raises(Behind, match="library status"):
        _differences(replace(settings, deadline=0.5))


def test_verify_without_a_query_api_suggests_table_only(sound):
    done = library(replace(sound.settings, api="http://127.0.0.1:1"), "verify")
    assert done.returncode == 69
    assert "--table-only" in done.stderr
