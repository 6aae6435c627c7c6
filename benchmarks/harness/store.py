"""``python -m benchmarks.harness.store --events 400000`` fills an event store with a generated workload."""

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import click
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from eventstore.headers import Headers, event_headers
from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.state.outcomes import digest
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.topics import ensure_topics
from tests.support.workload import Step, workload

TRANSACTION = 500


class Filled(NamedTuple):
    """The number of written events, and the time it took."""

    events: int
    seconds: float


class Record(NamedTuple):
    """The record of an event."""

    key: bytes
    value: bytes
    timestamp: int
    headers: Headers


def record(happened: Step, number: int) -> Record:
    """Make the record of an event with all headers of a real one. ``number`` determines the command id."""
    command, version, event = happened
    # As long as a client's UUID, and the same in every run
    command_id = f"00000000-0000-4000-8000-{number:012d}"
    kind, at = type(event).__name__, event.timestamp
    headers = event_headers("library.inventory", command_id, digest(command), 0, kind, at, {})
    return Record(event_key(event.isbn, version), encode(event), at, headers)


class Appender:
    """Appends to one partition in transactions as the gateway does, without a fence."""

    def __init__(self, settings: Settings, partition: int, linger_ms: int = 1000) -> None:
        self._topic, self._partition = events_topic(settings), partition
        name = f"{settings.name}.benchmark-{partition}"
        # A commit sends everything at once; before it, records should wait for each other
        config = client_config(settings) | {"transactional.id": name, "linger.ms": linger_ms}
        self._producer = Producer(config)
        self._producer.init_transactions(30)
        self._open = 0

    def add(self, new: Record) -> int:
        """Add a record to the open transaction; begin one if necessary. Return its number of records."""
        if not self._open:
            self._producer.begin_transaction()
        self._open += 1
        self._producer.produce(
            self._topic,
            new.value,
            new.key,
            self._partition,
            timestamp=new.timestamp,
            headers=list(new.headers),
        )
        return self._open

    def commit(self) -> None:
        """Commit the transaction. Raises KafkaException."""
        if self._open:
            self._producer.commit_transaction(30)
        self._open = 0


def fill(settings: Settings, events: Iterable[Step], transaction: int = TRANSACTION) -> Filled:
    """Append ``events``, ``transaction`` of one partition per transaction. Raises KafkaException."""
    begun, count = time.monotonic(), 0
    appenders = [Appender(settings, partition) for partition in range(settings.partitions)]
    commits: dict[int, Future[None]] = {}
    # Kafka commits in one partition while records for the others are made
    with ThreadPoolExecutor(len(appenders)) as threads:
        for count, happened in enumerate(events, 1):
            partition = partition_of(happened.event.isbn, settings.partitions)
            if partition in commits:
                commits.pop(partition).result()
            if appenders[partition].add(record(happened, count)) == transaction:
                commits[partition] = threads.submit(appenders[partition].commit)
        for commit in commits.values():
            commit.result()
        list(threads.map(Appender.commit, appenders))
    return Filled(count, time.monotonic() - begun)


@click.command()
@click.option("--kafka", default=Settings().kafka, show_default=True, help="Bootstrap servers.")
@click.option("--name", default="benchmark", show_default=True, help="The system to fill; it should be new.")
@click.option("--events", default=400_000, show_default=True)
@click.option("--titles", default=20_000, show_default=True)
@click.option("--zipf", default=0.0, show_default=True, help="Draw title n in proportion to n ** -ZIPF.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same events.")
def main(kafka: str, name: str, events: int, titles: int, zipf: float, seed: int) -> None:
    """Fill an event store with valid events."""
    settings = Settings(kafka=kafka, name=name)
    ensure_topics(AdminClient(client_config(settings)), settings)
    written = fill(settings, islice(workload(titles, seed, zipf), events))
    rate = written.events / written.seconds
    click.echo(f"{written.events:,} events in {written.seconds:.1f} s ({rate:,.0f}/s)")


if __name__ == "__main__":
    main()
