"""Places in the event store: its beginning and end, a time in it, where a group stands, how far that is."""

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.kafka import client_config
from schemas.settings import Settings
from schemas.topics import events_topic, projector_group

TIMEOUT = 10.0
"""Seconds that Kafka has for one answer."""

Offsets = dict[int, int]
"""By partition, the offset of the next record to read."""


def beginning(admin: AdminClient, topic: str, timeout: float = TIMEOUT) -> Offsets:
    """The first record of each partition. Raises KafkaException, as all here do."""
    return _offsets(admin, topic, OffsetSpec.earliest(), timeout)  # type: ignore[no-untyped-call]


def end(admin: AdminClient, topic: str, timeout: float = TIMEOUT) -> Offsets:
    """Behind the last record that readers of committed records see."""
    return _offsets(admin, topic, OffsetSpec.latest(), timeout)  # type: ignore[no-untyped-call]


def at_time(admin: AdminClient, topic: str, ms: int, timeout: float = TIMEOUT) -> Offsets:
    """The first record at or after ``ms`` (since 1970, UTC); where there is none, the end."""
    found = _offsets(admin, topic, OffsetSpec.for_timestamp(ms), timeout)
    last = end(admin, topic, timeout)
    return {partition: offset if offset >= 0 else last[partition] for partition, offset in found.items()}


def committed(admin: AdminClient, topic: str, group: str, timeout: float = TIMEOUT) -> Offsets:
    """Where the group stands, in the partitions that it has a place in."""
    asked = ConsumerGroupTopicPartitions(group)
    found = admin.list_consumer_group_offsets([asked], request_timeout=timeout)[group].result()
    return {
        part.partition: part.offset
        for part in found.topic_partitions
        if part.topic == topic and part.offset >= 0
    }


def group_lag(admin: AdminClient, topic: str, group: str, timeout: float = TIMEOUT) -> dict[int, int]:
    """Records between the group's place and the end, by partition; markers of transactions count."""
    place = committed(admin, topic, group, timeout)
    first, last = beginning(admin, topic, timeout), end(admin, topic, timeout)
    return {p: max(0, last[p] - max(place.get(p, 0), first[p])) for p in last}


def table_lag(settings: Settings, timeout: float = 5.0) -> int | None:
    """Records that the projector still has to read; None if Kafka does not say."""
    try:
        admin = AdminClient(client_config(settings))
        return sum(group_lag(admin, events_topic(settings), projector_group(settings), timeout).values())
    except KafkaException:
        return None


def _offsets(admin: AdminClient, topic: str, spec: OffsetSpec, timeout: float) -> Offsets:
    partitions = admin.list_topics(topic, timeout=timeout).topics[topic].partitions
    asked = {TopicPartition(topic, partition): spec for partition in partitions}
    futures = admin.list_offsets(
        asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout
    )
    return {part.partition: future.result().offset for part, future in futures.items()}
