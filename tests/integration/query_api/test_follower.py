"""The follower on a real Kafka: what it reads, when it is ready, and when it begins again."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from query_api.following.follower import Follower
from query_api.following.source import Source
from query_api.http.totals import read_totals
from query_api.replica.progress import Progress
from query_api.replica.replica import FILE
from query_api.replica.tables import LARGEST_INTEGER
from schemas.codec import decode
from schemas.events import BookAdded, BookBorrowed, BookRemoved
from schemas.topics import changelog_topic, identify
from tests.support.deleted_records import delete_before
from tests.support.query_api.running_follower import following, progress, query, ready
from tests.support.query_api.store_writer import StoreWriter
from tests.support.stores import empty_topics
from tests.support.waiting import eventually

A, B = "9781593275846", "9781680502992"
AT = 1_700_000_000_000


@pytest.fixture
def one(new_settings: Callable[..., Settings]) -> Settings:
    return new_settings(partitions=1)


def store_writer(settings: Settings) -> StoreWriter:
    return StoreWriter(settings, identify(AdminClient(client_config(settings)), settings))


TITLES = "SELECT isbn, version, available FROM titles ORDER BY isbn"
EVENTS = "SELECT isbn, version, type FROM events ORDER BY place"


def test_a_replica_has_rows_and_history_of_committed_transactions(settings: Settings):
    writer = store_writer(settings)
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    with following(settings) as follower:
        eventually(lambda: ready(follower))
        assert query(follower, TITLES) == [(int(A), 1, 2), (int(B), 1, 1)]
        writer.abort(BookRemoved(A, AT))
        positions = writer.commit(BookBorrowed(A, "ann", AT, AT))
        eventually(lambda: progress(follower).has(dict(positions)))
        assert query(follower, TITLES) == [(int(A), 2, 1), (int(B), 1, 1)]
        assert sorted(query(follower, EVENTS)) == [
            (int(A), 1, "BookAdded"),
            (int(A), 2, "BookBorrowed"),
            (int(B), 1, "BookAdded"),
        ]


def test_a_follower_of_an_empty_store_is_ready(settings: Settings):
    with following(settings) as follower:
        eventually(lambda: ready(follower))
        assert str(progress(follower)) == ""


def test_a_position_is_reached_only_with_rows_and_history(one: Settings):
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    with following(one) as follower:
        eventually(lambda: ready(follower))
        (position,) = writer.append(BookBorrowed(A, "ann", AT, AT))
        eventually(lambda: progress(follower).history[0] > position.offset)
        assert not progress(follower).has(dict([position]))
        writer.project()
        eventually(lambda: progress(follower).has(dict([position])))


def test_transaction_markers_at_the_end_count_as_read(one: Settings):
    """The store's last offset is a marker; its position can be waited for."""
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    writer.abort(BookRemoved(A, AT))
    with following(one) as follower:
        eventually(lambda: ready(follower) or progress(follower).history[0] == 4)
        writer.write([], {0: 4})
        eventually(lambda: ready(follower))
        assert str(progress(follower)) == "0:3"


def test_a_restarted_follower_resumes_from_its_replica(one: Settings):
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    with following(one) as follower:
        eventually(lambda: ready(follower))
        before = progress(follower)
    writer.commit(BookBorrowed(A, "ann", AT, AT))
    starts: list[Progress] = []
    with following(one, starts.append) as follower:
        eventually(lambda: ready(follower))
        assert query(follower, TITLES) == [(int(A), 2, 1)]
    assert starts[0].rows >= before.rows
    assert starts[0].history >= before.history


def test_a_follower_started_during_a_replay_is_ready_only_at_its_end(one: Settings):
    """Rows and positions of a replay that has not come far are the last in the changelog."""
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    writer.commit(BookBorrowed(A, "ann", AT, AT))
    writer.commit(BookBorrowed(A, "bob", AT, AT))
    rows, end = dict(writer.rows), dict(writer.next)
    writer.rows.clear()
    writer.project(writer.log[:1])
    with following(one) as follower:
        eventually(lambda: follower.replica is not None and progress(follower).history[0] == end[0])
        eventually(lambda: progress(follower).table[0] == 1)
        assert not ready(follower)
        assert not progress(follower).complete
        writer.project(writer.log[1:])
        eventually(lambda: ready(follower))
        assert query(follower, TITLES) == [(int(A), 3, 0)]
        seen = progress(follower).table[0]
        # A replay while it is ready: no position falls
        writer.write([replace(rows[A], version=1, available=2, loans=())], {0: 1})
        marker = writer.commit(BookAdded(B, "U", "B", 1, AT))
        eventually(lambda: progress(follower).has(dict(marker)))
        assert progress(follower).table[0] >= seen
        assert query(follower, TITLES) == [(int(A), 3, 0), (int(B), 1, 1)]


def test_positions_of_another_event_store_are_ignored(one: Settings):
    writer = store_writer(one)
    writer.append(BookAdded(A, "T", "A", 2, AT))
    writer.write([], {0: 2}, source="other/store")
    with following(one) as follower:
        eventually(lambda: follower.trouble and "another event store" in follower.trouble)
        assert not ready(follower)


def test_rows_of_an_event_store_that_was_emptied_are_not_shown(one: Settings):
    """The empty event store has no position to wait for. Only the changelog's says that the rows are old."""
    store_writer(one).commit(BookAdded(A, "T", "A", 2, AT))

    def refuses(follower: Follower) -> None:
        eventually(lambda: follower.replica is not None and follower.replica.progress.rows[0] > 0)
        eventually(lambda: follower.ends is not None and "backup" in (follower.trouble or ""))
        replica = follower.replica
        assert replica is not None
        assert not ready(follower)
        assert not replica.progress.complete
        assert progress(follower).offsets() == {0: -1}

    with following(one) as follower:
        eventually(lambda: ready(follower))
        old = follower.replica
        empty_topics(one, events_topic(one))
        eventually(lambda: follower.replica not in (None, old), limit=30)
        refuses(follower)
    with following(one) as follower:
        refuses(follower)


def test_an_unreadable_event_does_not_stop_a_follower(one: Settings, caplog: pytest.LogCaptureFixture):
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    raw = Producer(client_config(one))
    store, changelog = events_topic(one), changelog_topic(one)
    keys = [b"", b"nonsense", b"9781593275846/0", f"{A}/{LARGEST_INTEGER + 1}".encode(), b"\xff\xfe"]
    for key in keys:
        raw.produce(store, key=key, value=b"x", partition=0)
    raw.produce(changelog, key=b"9781593275846", value=b"\x00\x00\x00\x00\x63junk", partition=0)
    raw.produce(changelog, key=b"other", value=None, partition=0)
    assert raw.flush(10) == 0
    offset = 2 + len(keys)
    writer.append_raw([(A, b"\x00\x00\x00\x00\x02junk", "BookBorrowed", AT)])
    writer.append_raw([(B, b"", "BookAdded", AT)])
    last = writer.append(BookBorrowed(A, "ann", AT, AT))[0]
    writer.write([], {0: last.offset + 2})
    with following(one) as follower:
        eventually(lambda: ready(follower))
        stored = query(follower, "SELECT place, version, type, problem IS NULL FROM events ORDER BY place")
        assert stored == [
            (0, 1, "BookAdded", 1),
            (offset, 2, "BookBorrowed", 0),
            (offset + 2, 1, "unknown", 0),
            (last.offset, 3, "BookBorrowed", 1),
        ]
        assert follower.replica is not None
        counted = read_totals(follower.replica.connect())
        assert counted.unreadable == {"events": len(keys), "changelog": 2}
    assert "can't be decoded" in caplog.text


def test_a_replaced_topic_is_noticed_by_its_id(one: Settings):
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT), BookAdded(B, "U", "B", 1, AT))
    with following(one) as follower:
        eventually(lambda: ready(follower))
        old = follower.replica
        empty_topics(one, events_topic(one), changelog_topic(one))
        writer = store_writer(one)
        writer.commit(BookAdded(B, "New", "B", 7, AT))
        # It may look between the making of the topics and the writing, when there is nothing to read
        eventually(
            lambda: (
                follower.replica is not old
                and ready(follower)
                and query(follower, TITLES) == [(int(B), 1, 7)]
            ),
            limit=30,
        )


def test_a_replica_of_another_system_is_rebuilt(new_settings: Callable[..., Settings]):
    mine, other = new_settings(partitions=1), new_settings(partitions=1)
    store_writer(other).commit(BookAdded(B, "U", "B", 1, AT))
    with following(other) as follower:
        eventually(lambda: ready(follower))
    store_writer(mine).commit(BookAdded(A, "T", "A", 2, AT))
    with following(replace(mine, data_dir=other.data_dir)) as follower:
        eventually(lambda: follower.replica is not None and ready(follower) and query(follower, TITLES))
        assert query(follower, TITLES) == [(int(A), 1, 2)]


@pytest.mark.parametrize("damage", ["deleted", "overwritten"])
def test_a_lost_replica_is_rebuilt(one: Settings, damage: str):
    writer = store_writer(one)
    writer.commit(*[BookAdded(isbn, "T", "A", 2, AT) for isbn in (A, B)])
    with following(one) as follower:
        eventually(lambda: ready(follower))
    path = Path(one.data_dir) / "api" / FILE
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"x" * 100_000)
    with following(one) as follower:
        eventually(lambda: ready(follower))
        assert query(follower, TITLES) == [(int(A), 1, 2), (int(B), 1, 2)]


def test_a_replica_file_deleted_in_use_is_rebuilt(one: Settings):
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    with following(one) as follower:
        eventually(lambda: ready(follower))
        old = follower.replica
        (Path(one.data_dir) / "api" / FILE).unlink()
        eventually(lambda: follower.replica is not old and ready(follower))
        assert query(follower, TITLES) == [(int(A), 1, 2)]


def test_a_store_with_deleted_records_is_read_from_its_first_offset(one: Settings):
    """Not ours to happen, but not ours to hang on either."""
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    writer.commit(BookBorrowed(A, "ann", AT, AT))
    delete_before(one, changelog_topic(one), 3, [0])
    with following(one) as follower:
        eventually(lambda: ready(follower))
        assert query(follower, TITLES) == [(int(A), 2, 1)]


def test_a_follower_recovers_from_a_full_disk(one: Settings, monkeypatch: pytest.MonkeyPatch):
    writer = store_writer(one)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    full = threading.Event()

    def put_rows(*args: Any) -> None:
        if full.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        real(*args)

    from query_api.following import follower as module

    real: Callable[..., None] = vars(module)["put_rows"]
    monkeypatch.setattr(module, "put_rows", put_rows)
    with following(one) as follower:
        eventually(lambda: ready(follower))
        full.set()
        (position,) = writer.commit(BookBorrowed(A, "ann", AT, AT))
        eventually(lambda: follower.trouble and "disk is full" in follower.trouble)
        assert query(follower, TITLES) == [(int(A), 1, 2)]
        full.clear()
        eventually(lambda: progress(follower).has(dict([position])))
        assert query(follower, TITLES) == [(int(A), 2, 1)]


def test_a_follower_reads_the_changelog_that_the_projector_writes(settings: Settings):
    """The stand-in writes what the projector writes: same partition, key and value."""
    writer = store_writer(settings)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    consumer = Source(settings).consumer(Progress.none(settings.partitions))
    try:
        found: list[Any] = []

        def read() -> bool:
            message = consumer.poll(0.2)
            if (
                message is not None
                and message.error() is None
                and message.topic() == changelog_topic(settings)
            ):
                found.append((message.partition(), message.key(), type(decode(message.value())).__name__))
            return len(found) == 2

        eventually(read)
        home = partition_of(A, settings.partitions)
        assert found == [(home, A.encode(), "InventoryRow"), (home, b"__position__", "TablePosition")]
    finally:
        consumer.close()
