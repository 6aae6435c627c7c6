"""Consumer groups on the event store: what is read, where a group goes on, what can't be read."""

from collections.abc import Callable
from itertools import islice

import pytest
from confluent_kafka import Producer

from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.reader import Start, Unreadable
from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable, client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import BookAdded, BookRemoved, Event
from schemas.reader import open_reader

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


def test_a_reader_reports_a_kafka_that_does_not_answer() -> None:
    nowhere = Settings(kafka="127.0.0.1:1", deadline=0.3)
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1"):
        open_reader(settings=nowhere).__enter__()
