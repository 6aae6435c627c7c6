"""Poison events: only their title waits, and a retry goes on with it."""

from msgspec.structs import replace

from eventstore.keys import event_key
from eventstore.topics import events_topic
from library.process.ports import free_port
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned, CopiesAdded
from tests.integration.projector.test_metrics import metrics
from tests.support.projector.event_store import EventStore
from tests.support.projector.table_check import (
    assert_exact,
    expected_rows,
    read_changelog,
    read_topic,
    rocksdb_rows,
    until_caught_up,
    until_lag,
)
from tests.support.projector.topic_damage import reset_group
from tests.support.waiting import eventually

NOW = 1_763_900_000_000
ISBNS = ["9780000000002", "9780000000019", "9780000000026", "9780000000033", "9780000000040"]


def _added(isbn: str) -> BookAdded:
    return BookAdded(isbn, "t", "a", 2, NOW)


def test_poison_holds_only_its_own_titles(settings, crew):
    store = EventStore(settings)
    unknown, truncated, misplaced, refused, first = ISBNS
    for isbn in ISBNS[:4]:
        store.write(1, _added(isbn))
    lent = encode(BookBorrowed(truncated, "ann", NOW, NOW))
    store.write_raw((event_key(unknown, 2), b"\0\0\0\x03\xe7" + lent[5:]))
    store.write_raw((event_key(truncated, 2), lent[:-3]))
    store.write_raw((event_key(misplaced, 2), lent))
    store.write(2, BookReturned(refused, "ann", NOW))
    store.write_raw((event_key(first, 1), b"not Avro"))
    for isbn in ISBNS:
        store.write(3, BookBorrowed(isbn, "bob", NOW, NOW))
    store.append(100)
    crew.start()
    rows = assert_exact(settings)
    reasons = {isbn: rows[isbn].held.reason for isbn in ISBNS}
    assert "schema id 999 is unknown" in reasons[unknown]
    assert "not a BookBorrowed" in reasons[truncated]
    assert f"the key names {misplaced}, the event {truncated}" in reasons[misplaced]
    assert "no such open loan" in reasons[refused]
    assert "first byte" in reasons[first]
    assert [rows[isbn].version for isbn in ISBNS] == [1, 1, 1, 1, 0]
    # A reader sees where: the offset is the poisoned event's, not that of a later one
    assert [rows[isbn].held.version for isbn in ISBNS] == [2, 2, 2, 2, 1]
    assert sum(row.held is not None for row in rows.values()) == 5


def test_a_retry_releases_a_held_title_once_its_event_applies(settings, crew):
    """As after an upgrade: an older program did not know an event."""
    store = EventStore(settings)
    isbn = ISBNS[0]
    store.write(1, _added(isbn))
    store.append(100)
    store.write(2, CopiesAdded(isbn, 3, NOW))
    store.write(3, BookBorrowed(isbn, "ann", NOW, NOW))
    store.append(100)
    older = crew.start(faults="unknown:CopiesAdded")
    until_caught_up(settings)
    held = read_changelog(settings).rows[isbn].held
    assert older.stop() == 0
    # A newer program alone does not go back
    newer = crew.start().until_ready()
    store.append(50)
    until_caught_up(settings)
    assert rocksdb_rows(settings)[isbn].held == held
    assert newer.stop() == 0
    waiting = [row.held for row in read_changelog(settings).rows.values() if row.held is not None]
    assert len(waiting) > 1
    reset_group(settings, min(held.offset for held in waiting))
    crew.start()
    rows = assert_exact(settings)
    assert (rows[isbn].version, rows[isbn].held, rows[isbn].quantity) == (3, None, 5)


def test_an_unparseable_key_stops_only_its_partition(settings, crew):
    key = b"9780000000002"
    store = EventStore(settings)
    store.append(60)
    store.write_raw((key, encode(_added(ISBNS[0]))), partition=1)
    store.append(120)
    ends = {
        message.partition(): message.offset() + 2 for message in read_topic(settings, events_topic(settings))
    }
    (stop,) = [
        message.offset() for message in read_topic(settings, events_topic(settings)) if message.key() == key
    ]
    port = free_port()
    worker = crew.start(faults="batch:50", settings=replace(settings, metrics_port=port))
    until_lag(settings, lambda lag: lag == ends[1] - stop)
    told = metrics(port)
    assert [told["library_projector_halted", str(p)] for p in range(3)] == [0, 1, 0]
    assert f"partition 1 is stopped at offset {stop}, the others continue" in worker.said()
    assert read_changelog(settings).rows == expected_rows(settings, {1: stop})
    assert worker.stop() == 0
    # And again, after a restart
    worker = crew.start().until_ready()
    eventually(lambda: worker.log.read_text("utf-8").count("partition 1 is stopped") == 2)
    assert rocksdb_rows(settings) == expected_rows(settings, {1: stop})
