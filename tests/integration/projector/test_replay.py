"""Replay: today's fold computes every row anew, from its first event."""

from collections import Counter
from typing import Any

from eventstore.topics import events_topic
from schemas.events import BookAdded, BookBorrowed
from schemas.records import recorded
from tests.support.projector.event_store import EventStore
from tests.support.projector.next_release import installed
from tests.support.projector.table_check import (
    assert_exact,
    lag,
    read_changelog,
    read_topic,
    until_caught_up,
)
from tests.support.projector.topic_damage import reset_group


def test_a_changed_fold_reaches_every_row_though_the_replay_is_interrupted(settings, crew):
    store = EventStore(settings)
    store.append(600, aborted=0.1)
    worker = crew.start()
    until_caught_up(settings)
    assert worker.stop() == 0
    before = read_changelog(settings).rows
    reset_group(settings, 0)
    assert crew.start(faults="next-release batch:10 die:after-store:2").ended() == -9
    assert lag(settings) > 0
    crew.start(faults="next-release")
    with installed():
        rows: Any = assert_exact(settings)
    assert {isbn: row.version for isbn, row in rows.items()} == {i: row.version for i, row in before.items()}
    # The new field is computed from events that were written long before it
    assert {isbn: row.lent for isbn, row in rows.items()} == _lent(settings)
    assert sum(row.lent for row in rows.values()) > 100


def _lent(settings) -> dict[str, int]:
    """How often each title was lent, ever."""
    lent: Counter[str] = Counter()
    for message in read_topic(settings, events_topic(settings)):
        event = recorded(message).event
        if isinstance(event, BookAdded):
            lent.setdefault(event.isbn, 0)
        lent[event.isbn] += isinstance(event, BookBorrowed)
    return dict(lent)
