"""Writes events to a store as a writer would, for tests of readers."""

from collections.abc import Iterable, Mapping

from confluent_kafka import Producer

from eventstore.headers import event_headers
from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import BookAdded, BookRemoved, Event

BEGAN = 1_700_000_000_000


def numbered_isbn(number: int) -> str:
    """A different ISBN for each number. Its check digit is wrong, which only commands would notice."""
    return f"978{number:010d}"


def added_and_removed(count: int) -> Iterable[tuple[int, Event]]:
    """Two events for each of ``count`` titles, as (version, event): all additions, then all removals."""
    for number in range(count):
        yield 1, BookAdded(numbered_isbn(number), f"Book {number}", "Dana", 1, BEGAN + number)
    for number in range(count):
        yield 2, BookRemoved(numbered_isbn(number), BEGAN + count + number)


def write_events(
    settings: Settings,
    versioned: Iterable[tuple[int, Event]],
    then: str = "commit",
    command_id: str = "",
    carried: Mapping[str, str] | None = None,
    digest: str = "digest",
) -> Producer:
    """Write the events in one transaction and end it with ``then``: commit, abort, or leave (open).

    Without a ``command_id`` each title's events have one of their own.
    """
    producer = Producer(
        client_config(settings) | {"transactional.id": f"{settings.name}-{then}", "linger.ms": 5}
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    for version, event in versioned:
        producer.produce(
            events_topic(settings),
            encode(event),
            event_key(event.isbn, version),
            partition_of(event.isbn, settings.partitions),
            timestamp=event.timestamp,
            headers=list(
                event_headers(
                    "library.inventory",
                    command_id or f"id-{event.isbn}",
                    digest,
                    0,
                    type(event).__name__,
                    event.timestamp,
                    carried or {},
                )
            ),
        )
    producer.flush(20)
    if then == "commit":
        producer.commit_transaction(20)
    elif then == "abort":
        producer.abort_transaction(20)
    return producer
