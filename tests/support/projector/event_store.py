"""Writes a workload to an event store as the producer does, and also aborted transactions."""

from collections.abc import Iterable, Iterator
from itertools import islice
from uuid import uuid4

from confluent_kafka import Producer

from eventstore.headers import event_headers
from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import Event
from tests.support.workload import workload


class EventStore:
    """Appends events in transactions, some of which are aborted."""

    def __init__(self, settings: Settings, titles: int = 60, seed: int = 1) -> None:
        self.settings = settings
        self._topic = events_topic(settings)
        self._events = workload(titles, seed)
        self._id = f"{settings.name}.tests-{uuid4().hex[:8]}"
        self._producer = self._new()

    def append(self, events: int, transaction: int = 20, aborted: float = 0.0) -> None:
        """Append ``events`` events in transactions; a share of them is also written in aborted ones."""
        due = 0.0
        for part in _parts(islice(self._events, events), transaction):
            due += aborted * len(part)
            if due >= 1:
                # Keys that will be used, with other content: whoever reads aborted records is wrong
                self._producer.begin_transaction()
                for happened in part[: int(due)]:
                    wrong = encode(happened.event)[:-12] + b"\xff" * 12
                    self.put(event_key(happened.event.isbn, happened.version), wrong)
                self._producer.flush()
                self._producer.abort_transaction()
                due %= 1
            self._producer.begin_transaction()
            for happened in part:
                self._put_event(happened.version, happened.event)
            self._producer.commit_transaction()

    def write(self, version: int, *events: Event) -> None:
        """Write events of one title from ``version`` on in one transaction."""
        self._producer.begin_transaction()
        for following, event in enumerate(events, version):
            self._put_event(following, event)
        self._producer.commit_transaction()

    def write_raw(self, *records: tuple[bytes, bytes | None], partition: int | None = None) -> None:
        """Write keys and values as they are in one transaction."""
        self._producer.begin_transaction()
        for key, value in records:
            self.put(key, value, partition)
        self._producer.commit_transaction()

    def leave_open(self) -> None:
        """Leave a transaction open in every partition, as a killed writer does."""
        self._producer.begin_transaction()
        for partition in range(self.settings.partitions):
            self.put(b"9780000000002/1", b"never committed", partition)
        self._producer.flush()

    def come_back(self) -> None:
        """Claim the transactional id again, which ends the open transactions."""
        self._producer = self._new()

    def put(self, key: bytes, value: bytes | None, partition: int | None = None) -> None:
        """Write a record in the open transaction."""
        if partition is None:
            partition = partition_of(key.partition(b"/")[0].decode(), self.settings.partitions)
        self._producer.produce(self._topic, value, key, partition)

    def _put_event(self, version: int, event: Event) -> None:
        headers = event_headers(
            "library.inventory", uuid4().hex, "0" * 32, 0, type(event).__name__, event.timestamp, {}
        )
        self._producer.produce(
            self._topic,
            encode(event),
            event_key(event.isbn, version),
            partition_of(event.isbn, self.settings.partitions),
            timestamp=event.timestamp,
            headers=list(headers),
        )

    def _new(self) -> Producer:
        producer = Producer(client_config(self.settings) | {"transactional.id": self._id, "linger.ms": 0})
        producer.init_transactions(30)
        return producer


def _parts(events: Iterable, size: int) -> Iterator[list]:
    iterator = iter(events)
    while part := list(islice(iterator, size)):
        yield part
