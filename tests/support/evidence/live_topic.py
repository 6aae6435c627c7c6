"""Changes the events of a topic in Kafka as somebody could who may administrate the broker."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from eventstore.topics import events_topic, fence_id
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.backup_file import Record
from tests.support.waiting import eventually


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
    delete_events(settings, range(settings.partitions))
    fill(settings, records)


def delete_events(settings: Settings, partitions: Iterable[int]) -> None:
    """Delete all records of these partitions; the offsets of later ones go on.

    Kafka deletes no records of a topic that is compacted: its policy is another one meanwhile.
    """
    admin, to_the_end = AdminClient(client_config(settings)), -1
    everything = [TopicPartition(events_topic(settings), partition, to_the_end) for partition in partitions]

    def deleted() -> bool:
        for future in admin.delete_records(everything).values():
            try:
                future.result(20)
            except KafkaException as error:
                # The partition's leader learns of the policy a moment later
                if error.args[0].code() != KafkaError.POLICY_VIOLATION:
                    raise
                return False
        return True

    _set_policy(admin, settings, "")
    eventually(deleted)
    _set_policy(admin, settings, "compact")


def _set_policy(admin: AdminClient, settings: Settings, policy: str) -> None:
    change = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, events_topic(settings), incremental_configs=[change])
    admin.incremental_alter_configs([resource])[resource].result(20)
