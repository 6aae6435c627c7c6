"""Consumer groups on the event store: what is read, where a group goes on, what can't be read."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.reader import OffsetsGone, Start, Unreadable
from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable, client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import BookAdded, BookRemoved, Event
from schemas.reader import open_reader
from tests.support.library.event_writer import added_and_removed, numbered_isbn, write_events
from tests.support.projector.library_command import library
from tests.support.steady_writes import steady_writes
from tests.support.waiting import eventually

A, B, C = "9781593275846", "9781680502992", "9780439023481"


@pytest.fixture
def append(settings: Settings) -> Callable[..., None]:
    """Write an event, as version ``version``, at its own time; or any bytes in its place."""
    producer = Producer(client_config(settings))

    def write(event: Event, version: int, value: bytes | None = None) -> None:
        partition = partition_of(event.isbn, settings.partitions)
        producer.produce(
            events_topic(settings),
            encode(event) if value is None else value,
            event_key(event.isbn, version),
            partition,
            timestamp=event.timestamp,
        )
        assert producer.flush(10) == 0

    return write


def added(isbn: str, at: int = 1_000) -> BookAdded:
    return BookAdded(isbn, "Title", "Author", 1, at)


def read(settings: Settings, group: str | None = None, start: Start = "earliest") -> list[tuple[str, int]]:
    with open_reader(group, settings=settings, start=start) as reader:
        return sorted((event.event.isbn, event.version) for event in reader)


def test_a_reader_without_a_group_reads_everything_each_time(
    settings: Settings, append: Callable[..., None]
) -> None:
    append(added(A), 1)
    append(BookRemoved(A, 2_000), 2)
    append(added(B), 1)
    assert read(settings) == read(settings) == [(A, 1), (A, 2), (B, 1)]


def test_reading_an_empty_store_ends(settings: Settings) -> None:
    assert read(settings) == read(settings, "empty") == []


@pytest.mark.parametrize("batches", [False, True])
def test_reading_ends_although_events_are_written_all_the_time(settings: Settings, batches: bool) -> None:
    give_up = time.monotonic() + 20
    with steady_writes(settings), open_reader(None, settings=settings) as reader:
        for _ in reader.batches() if batches else reader:
            assert time.monotonic() < give_up


def test_a_group_resumes_where_it_stopped(settings: Settings, append: Callable[..., None]) -> None:
    append(added(A), 1)
    assert read(settings, "g") == [(A, 1)]
    append(added(B), 1)
    assert read(settings, "g") == [(B, 1)]
    assert read(settings, "g") == []
    assert read(settings, "another") == [(A, 1), (B, 1)]


def test_an_event_is_committed_when_the_next_is_requested(
    settings: Settings, append: Callable[..., None]
) -> None:
    for version in range(1, 6):
        append(added(A), version)
    with open_reader("g", settings=settings) as reader:
        assert [event.version for event in islice(reader, 3)] == [1, 2, 3]
    # The third was handed out, but nobody said that it was handled
    assert [version for _, version in read(settings, "g")] == [3, 4, 5]


def test_an_event_whose_handler_failed_is_delivered_again(
    settings: Settings, append: Callable[..., None]
) -> None:
    append(added(A), 1)
    append(added(A), 2)

    def fail_on_the_second() -> None:
        with open_reader("g", settings=settings) as reader:
            for event in reader:
                if event.version == 2:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_on_the_second()
    assert read(settings, "g") == [(A, 2)]


def test_a_reader_starts_at_a_time_or_at_the_end(settings: Settings, append: Callable[..., None]) -> None:
    append(added(A, 1_000), 1)
    append(added(B, 5_000), 1)
    assert read(settings, None, 3_000) == [(B, 1)]
    assert read(settings, "timed", 3_000) == [(B, 1)]
    assert read(settings, "late", "latest") == []
    append(added(C, 6_000), 1)
    # A start counts only for a group without a place
    assert read(settings, "timed", 1_000) == [(C, 1)]
    assert read(settings, "late", "latest") == [(C, 1)]
    assert read(settings, None, 9_000) == []


def test_an_unreadable_event_is_reported_and_skipped(settings: Settings, append: Callable[..., None]) -> None:
    append(added(A), 1)
    append(added(A), 2, b"\0\0\0\0\x63")
    append(added(A), 3, b"junk")
    append(added(A), 4, encode(added(B)))
    append(added(A), 5)
    found: list[Unreadable] = []
    with open_reader("g", settings=settings, report=found.append) as reader:
        assert [event.version for event in reader] == [1, 5]
    assert [unreadable.offset for unreadable in found] == [1, 2, 3]
    assert "upgrade" in found[0].why
    assert A in str(found[2])
    assert read(settings, "g") == []


def test_readers_of_a_group_share_its_partitions(settings: Settings, append: Callable[..., None]) -> None:
    append(added(A), 1)
    with open_reader("g", settings=settings) as first:
        following = first.follow()
        assert next(following).event.isbn == A
        append(added(B), 1)
        assert next(following).event.isbn == B


def test_batches_have_every_event_once_and_a_group_resumes_after_the_last(settings: Settings) -> None:
    write_events(settings, added_and_removed(50))

    def read_in_batches() -> list[tuple[str, int]]:
        with open_reader("g", settings=settings) as reader:
            batches = [
                [(one.event.isbn, one.version) for one in batch] for batch in reader.batches(max_records=30)
            ]
        assert all(0 < len(batch) <= 30 for batch in batches)
        return [one for batch in batches for one in batch]

    found = read_in_batches()
    assert sorted(found) == sorted((numbered_isbn(n), version) for n in range(50) for version in (1, 2))
    assert all(found.index((numbered_isbn(n), 1)) < found.index((numbered_isbn(n), 2)) for n in range(50))
    assert read_in_batches() == []


def test_a_batch_comes_again_if_its_reader_died_in_the_block(settings: Settings) -> None:
    write_events(settings, added_and_removed(50))
    with open_reader("g", settings=settings) as reader:
        first, second = islice(reader.batches(max_records=30), 2)
    again = read(settings, "g")
    assert len(again) == 70
    assert not {(one.event.isbn, one.version) for one in first} & set(again)
    assert {(one.event.isbn, one.version) for one in second} <= set(again)


def test_a_second_reader_takes_partitions_over_without_a_repeated_event(settings: Settings) -> None:
    found: Counter[str] = Counter()
    written: list[str] = []
    stopped, shared = threading.Event(), threading.Event()

    def follow(first: bool) -> None:
        with open_reader("g", settings=settings) as reader:
            for batch in reader.batches(follow=True, max_records=3, max_interval_s=0.05):
                if stopped.is_set():
                    return
                found.update(record.event.isbn for record in batch)
                if not first:
                    shared.set()

    def write_more() -> bool:
        new = [numbered_isbn(len(written) + number) for number in range(20)]
        write_events(settings, [(1, added(isbn)) for isbn in new])
        written.extend(new)
        return False

    threads = [threading.Thread(target=follow, args=(first,)) for first in (True, False)]
    try:
        threads[0].start()
        eventually(lambda: write_more() or found)
        threads[1].start()
        eventually(lambda: write_more() or shared.is_set())
        eventually(lambda: found.keys() == set(written))
    finally:
        stopped.set()
        eventually(lambda: write_more() or not any(thread.is_alive() for thread in threads))
    assert set(found.values()) == {1}


def test_a_group_beyond_the_end_of_the_event_store_is_not_read_from_the_beginning(
    settings: Settings, append: Callable[..., None]
) -> None:
    append(added(A), 1)
    partition = partition_of(A, settings.partitions)
    consumer = Consumer(client_config(settings) | {"group.id": f"{settings.name}-ahead"})
    place = TopicPartition(events_topic(settings), partition, 500)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()
    group = f"{settings.name}-ahead"
    with pytest.raises(OffsetsGone, match=rf"offset 500 of partition {partition},.* 0 up to 1 there"):
        read(settings, group)
    refused = library(settings, "events", "--group", group)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"`library replay --group {group} --to-beginning`" in refused.stderr
    assert library(settings, "replay", "--group", group, "--to-beginning").returncode == 0
    assert read(settings, group) == [(A, 1)]


def test_a_reader_reports_a_kafka_that_does_not_answer() -> None:
    nowhere = Settings(kafka="127.0.0.1:1", deadline=0.3)
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1"):
        open_reader(settings=nowhere).__enter__()
