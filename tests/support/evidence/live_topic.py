"""Changes the events of a topic in Kafka as somebody could who may administrate the broker."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer

from eventstore.topics import events_topic, fence_id
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.backup_file import Record
from tests.support.deleted_records import END, delete_before


def fill(settings: Settings, records: Iterable[Record]) -> None:
    """Append the records to their partitions in proper form: with each fence, in one transaction."""
    by_partition = defaultdict[int, list[Record]](list)
    for record in records:
        by_partition[record.partition].append(record)
    for partition, some in by_partition.items():
        producer = Producer(
            client_config(settings) | {"transactional.id": fence_id(settings, partition), "linger.ms": 5}
        )
        producer.init_transactions(20)
        producer.begin_transaction()
        for record in some:
            headers: Any = record.headers
            producer.produce(
                events_topic(settings),
                record.value,
                record.key,
                partition,
                timestamp=record.timestamp,
                headers=headers,
            )
        producer.commit_transaction(20)


def refill(settings: Settings, records: Iterable[Record]) -> None:
    """Delete all records, and append these: the ids of cluster and topic stay, and so does its policy."""
    delete_before(settings, events_topic(settings), END, range(settings.partitions))
    fill(settings, records)
