"""``library held``: which titles wait, why, and trying again."""

import json

import pytest

from eventstore.keys import event_key
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed
from tests.support.projector.event_store import EventStore
from tests.support.projector.library_command import library
from tests.support.projector.table_check import assert_exact, until_caught_up

NOW = 1_763_900_000_000
DAMAGED, WELL, NEWER = "9780000000002", "9780000000019", "9780000000026"


@pytest.fixture
def store(settings, crew) -> EventStore:
    """Two titles that wait: for a damaged event, and for one that an older program does not know."""
    store = EventStore(settings)
    for isbn in (DAMAGED, WELL, NEWER):
        store.write(1, BookAdded(isbn, f"title {isbn}", "a", 2, NOW))
    store.write_raw((event_key(DAMAGED, 2), encode(BookBorrowed(DAMAGED, "ann", NOW, NOW))[:-2]))
    store.write(2, BookBorrowed(NEWER, "ann", NOW, NOW))
    worker = crew.start(faults="unknown:BookBorrowed")
    until_caught_up(settings)
    assert worker.stop() == 0
    return store


def test_held_lists_waiting_titles_and_retries_them(settings, crew, store):
    lines = [json.loads(line) for line in library(settings, "held", "list", "--json").stdout.splitlines()]
    assert {line["isbn"] for line in lines} == {DAMAGED, NEWER}
    assert {line["version"] for line in lines} == {2}
    assert all("schema id 2 is unknown" in line["reason"] for line in lines)

    shown = json.loads(library(settings, "held", "show", "978-0-00-000000-2", "--json").stdout)
    assert shown["title"] == f"title {DAMAGED}"
    assert shown["type"] == "BookBorrowed"
    assert shown["value"] == encode(BookBorrowed(DAMAGED, "ann", NOW, NOW))[:-2].hex()
    assert library(settings, "held", "show", WELL).returncode == 4

    worker = crew.start().until_ready()
    for command in (("held", "retry"), ("replay",)):
        refused = library(settings, *command)
        assert refused.returncode == 1
        assert f"{settings.name}-projector-0 at " in refused.stderr
    assert worker.stop() == 0

    done = library(settings, "held", "retry")
    assert done.returncode == 0, done.stderr
    assert "2 titles are tried again as soon as a projector starts" in done.stderr
    crew.start()
    rows = assert_exact(settings)
    assert (rows[NEWER].version, rows[NEWER].held) == (2, None)
    # Its reason is now the real one
    assert "not a BookBorrowed" in rows[DAMAGED].held.reason
    assert library(settings, "held", "list").stdout.splitlines()[1].startswith(DAMAGED)
