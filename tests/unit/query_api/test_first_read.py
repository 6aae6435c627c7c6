"""The first read stores the events alone; its end makes everything that follows from them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from eventstore.topics import Identity
from query_api.replica.events import StoredEvent, put_events
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica, create_replica
from schemas.codec import encode
from schemas.events import BookAdded, CopiesAdded

IDENTITY = Identity("cluster", "events", "changelog")
ISBN, OTHER = "9780306406157", "9781593275846"
EMPTY = Progress((0,), (0,), (0,), (True,))
TABLES = ("SELECT * FROM events", "SELECT * FROM known", "SELECT * FROM checkpoints", "SELECT * FROM totals")


def event(offset: int, isbn: str, version: int, at: int) -> StoredEvent:
    value = encode(BookAdded(isbn, "T", "A", 1, at) if version == 1 else CopiesAdded(isbn, 1, at))
    return StoredEvent(0, offset, isbn, version, at, "any", f"c{offset}", value)


def long_history() -> list[StoredEvent]:
    """Two titles, one of them with 201 events, and a foreign event that repeats a version."""
    first = [event(number, ISBN, number, 1000 + number) for number in range(1, 202)]
    return [*first, event(300, OTHER, 1, 2000), event(301, OTHER, 1, 2001), event(302, OTHER, 2, 2002)]


def after(number: int) -> Progress:
    return Progress((0,), (number,), (number,), (True,))


@pytest.fixture
def opened(tmp_path: Path) -> Iterable[Callable[[str], Replica]]:
    replicas = []

    def create(name: str) -> Replica:
        (tmp_path / name).mkdir()
        replicas.append(create_replica(tmp_path / name, IDENTITY, 1))
        return replicas[-1]

    yield create
    for replica in replicas:
        replica.close()


def stored(replica: Replica) -> list[list[tuple[object, ...]]]:
    return [sorted(replica.connect().execute(statement).fetchall()) for statement in TABLES]


def test_a_first_read_ends_with_what_single_events_would_have_stored(
    opened: Callable[[str], Replica],
):
    at_once, one_by_one = opened("at once"), opened("one by one")
    events = long_history()
    for number in (100, 204):
        with at_once.batch(Progress((0,), (number,), (0,), (False,))) as db:
            put_events(db, events[number - 100 : number])
    # The first 100 of the second batch were in the first one, as after a restart
    with at_once.batch(Progress((0,), (204,), (0,), (False,))) as db:
        put_events(db, events[:104])
    assert stored(at_once)[1:3] == [[], []]
    with at_once.batch(after(303)):
        pass
    with one_by_one.batch(EMPTY):
        pass
    for single in events:
        with one_by_one.batch(after(303)) as db:
            put_events(db, [single])
    assert stored(at_once) == stored(one_by_one)
    assert len(stored(at_once)[0]) == 203
    assert [row[1] for row in stored(at_once)[2]] == [100, 200]


def test_an_interrupted_first_read_is_no_damage(opened: Callable[[str], Replica]):
    replica = opened("interrupted")
    with replica.batch(Progress((0,), (100,), (0,), (False,))) as db:
        put_events(db, long_history()[:100])
    assert replica.find_damage(lambda: False) is None


def test_titles_that_an_ended_first_read_does_not_list_are_damage(opened: Callable[[str], Replica]):
    replica = opened("ended")
    with replica.batch(Progress((0,), (100,), (0,), (False,))) as db:
        put_events(db, long_history()[:100])
    with replica.batch(after(100)):
        pass
    assert replica.find_damage(lambda: False) is None
    with replica.batch(after(101)) as db:
        db.execute("DELETE FROM known")
    assert replica.find_damage(lambda: False) == "the list of all titles disagrees with the rows"
