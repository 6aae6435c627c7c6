"""Damage to topics and consumer groups, as an operator or an accident causes it."""

import time
from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.table_position import POSITION_KEY
from eventstore.topics import Table, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import INVENTORY, changelog_topic, projector_group
from tests.support.projector.table_check import read_topic
from tests.support.stores import empty_topics


def admin_of(settings: Settings) -> AdminClient:
    """An admin client of the system's Kafka."""
    return AdminClient(client_config(settings))


def lose_changelog(settings: Settings) -> list[tuple[int, list[tuple[bytes, bytes]]]]:
    """Delete the changelog and create a new one; return the old one's transactions, each with its partition.

    One of a batch without committed events has the position only.
    """
    transactions: list[tuple[int, list[tuple[bytes, bytes]]]] = []
    parts: dict[int, list[tuple[bytes, bytes]]] = {}
    for message in read_topic(settings, changelog_topic(settings)):
        partition = message.partition() or 0
        parts.setdefault(partition, []).append((message.key(), message.value()))
        if message.key() == POSITION_KEY:
            transactions.append((partition, parts.pop(partition)))
    empty_topics(settings, changelog_topic(settings))
    return transactions


def write_changelog(
    settings: Settings,
    partition: int,
    rows: Sequence[tuple[bytes, bytes | None]],
    table: Table = INVENTORY,
) -> None:
    """Append rows as one transaction."""
    producer = Producer(client_config(settings) | {"transactional.id": f"tests-{time.time_ns()}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for key, value in rows:
        producer.produce(table.changelog(settings), value, key, partition)
    producer.commit_transaction()


def reset_group(settings: Settings, offset: int) -> None:
    """Set the projector's offsets, in every partition; the group must be empty."""
    partitions = [TopicPartition(events_topic(settings), p, offset) for p in range(settings.partitions)]
    request = ConsumerGroupTopicPartitions(projector_group(settings), partitions)
    # Keep a reference: without one the futures never end
    admin = admin_of(settings)
    for future in admin.alter_consumer_group_offsets([request]).values():
        assert all(partition.error is None for partition in future.result().topic_partitions)
