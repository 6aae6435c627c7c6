"""How far a consumer group is behind the event store."""

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.kafka import client_config
from schemas.settings import Settings
from schemas.topics import events_topic, projector_group


def table_lag(settings: Settings, timeout: float = 5.0) -> int | None:
    """Records that the projector still has to read; None if Kafka does not say."""
    try:
        admin = AdminClient(client_config(settings))
        return sum(group_lag(admin, settings, projector_group(settings), timeout).values())
    except KafkaException:
        return None


def group_lag(admin: AdminClient, settings: Settings, group: str, timeout: float) -> dict[int, int]:
    """For each partition the records between the group's place and the last committed one.

    Markers of transactions count as records. Raises KafkaException.
    """
    topic = events_topic(settings)
    committed = committed_offsets(admin, topic, group, timeout)
    first = offsets(admin, topic, settings.partitions, OffsetSpec.earliest(), timeout)  # type: ignore[no-untyped-call]
    end = offsets(admin, topic, settings.partitions, OffsetSpec.latest(), timeout)  # type: ignore[no-untyped-call]
    return {p: max(0, end[p] - max(committed.get(p, 0), first[p])) for p in range(settings.partitions)}


def committed_offsets(admin: AdminClient, topic: str, group: str, timeout: float) -> dict[int, int]:
    """The group's committed offsets in the topic. Raises KafkaException."""
    asked = ConsumerGroupTopicPartitions(group)
    found = admin.list_consumer_group_offsets([asked], request_timeout=timeout)[group].result()
    return {
        part.partition: part.offset
        for part in found.topic_partitions
        if part.topic == topic and part.offset >= 0
    }


def offsets(
    admin: AdminClient, topic: str, partitions: int, spec: OffsetSpec, timeout: float
) -> dict[int, int]:
    """The offset that ``spec`` means in each partition, as readers of committed records see it."""
    asked = {TopicPartition(topic, partition): spec for partition in range(partitions)}
    futures = admin.list_offsets(
        asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout
    )
    return {part.partition: future.result().offset for part, future in futures.items()}
