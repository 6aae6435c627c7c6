"""Offsets of a topic: its beginning and end, a point in time, a group's committed offsets and its lag."""

import time

from confluent_kafka import (
    IsolationLevel,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from eventstore.groups import committed_offsets, lag
from eventstore.topics import LEADER_MOVING, WrongTopic, events_topic
from foundation.kafka_clients import KafkaUnavailable, client_config
from foundation.settings import Settings
from schemas.tables import current_table

TIMEOUT_S = 5.0
"""Limit for one request to Kafka."""
POLL_INTERVAL_S = 0.05

Offsets = dict[int, int]
"""For each partition, the offset of the next record to read."""


def beginning(admin: AdminClient, topic: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The first record of each partition. Raises KafkaException, as every function here."""
    return _offsets(admin, topic, OffsetSpec.earliest(), timeout)  # type: ignore[no-untyped-call]


def end(admin: AdminClient, topic: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The end for readers of committed records: before the first open transaction."""
    return _offsets(admin, topic, OffsetSpec.latest(), timeout)  # type: ignore[no-untyped-call]


def settled_end(admin: AdminClient, topic: str, limit_s: float) -> Offsets:
    """The end of everything that was acknowledged before the call.

    Readers see a commit a moment later, and nothing after an open transaction: this waits for it, up to
    ``limit_s`` seconds. Raises StillOpen.
    """
    acknowledged, give_up = high_watermarks(admin, topic), time.monotonic() + limit_s
    while behind := {p for p, offset in end(admin, topic).items() if offset < acknowledged[p]}:
        if time.monotonic() > give_up:
            raise StillOpen(topic, behind)
        time.sleep(POLL_INTERVAL_S)
    return acknowledged


class StillOpen(Exception):
    """An open transaction hides the newest records of these partitions from readers."""

    def __init__(self, topic: str, partitions: set[int]) -> None:
        named = ", ".join(str(partition) for partition in sorted(partitions))
        super().__init__(
            f"an open transaction on partition {named} of {topic} hides the records after it: "
            "`library doctor` shows how to end it"
        )
        self.partitions = partitions


def high_watermarks(admin: AdminClient, topic: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The end of each partition, including records that are not committed."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    return _offsets(admin, topic, latest, timeout, IsolationLevel.READ_UNCOMMITTED)


def at_time(admin: AdminClient, topic: str, ms: int, timeout: float = TIMEOUT_S) -> Offsets:
    """The first record at or after ``ms`` (since 1970, UTC); the end where there is none."""
    offsets = _offsets(admin, topic, OffsetSpec.for_timestamp(ms), timeout)
    last = end(admin, topic, timeout)
    return {partition: offset if offset >= 0 else last[partition] for partition, offset in offsets.items()}


def committed(settings: Settings, topic: str, group: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The group's committed offsets, for the partitions that have one."""
    return committed_offsets(settings, topic, group, timeout)


def group_lag(
    admin: AdminClient, settings: Settings, topic: str, group: str, timeout: float = TIMEOUT_S
) -> dict[int, int]:
    """Offsets between the group's and the end, by partition; transaction markers count."""
    position = committed(settings, topic, group, timeout)
    return lag(position, beginning(admin, topic, timeout), end(admin, topic, timeout))


def table_lag(settings: Settings, timeout: float = TIMEOUT_S) -> int | None:
    """Offsets that the projector has not read yet; None if Kafka does not answer."""
    topic = events_topic(settings)
    try:
        admin = AdminClient(client_config(settings))
        group = current_table(admin, settings).group_id(settings)
        return sum(group_lag(admin, settings, topic, group, timeout).values())
    except (KafkaException, KafkaUnavailable, WrongTopic):
        return None


def _offsets(
    admin: AdminClient,
    topic: str,
    spec: OffsetSpec,
    timeout: float,
    level: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> Offsets:
    give_up = time.monotonic() + timeout
    while True:
        try:
            metadata = admin.list_topics(topic, timeout=timeout).topics[topic]
            if metadata.error:
                raise KafkaException(metadata.error)
            request = {TopicPartition(topic, partition): spec for partition in metadata.partitions}
            futures = admin.list_offsets(request, isolation_level=level, request_timeout=timeout)
            return {part.partition: future.result().offset for part, future in futures.items()}
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVING or time.monotonic() > give_up:
                raise
        time.sleep(POLL_INTERVAL_S)
