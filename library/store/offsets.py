"""Places in the event store: its beginning and end, a time in it, where a group stands, how far that is."""

import time

from confluent_kafka import (
    IsolationLevel,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from eventstore.groups import committed_offsets, lag
from eventstore.topics import LEADER_MOVING, events_topic, projector_group
from foundation.kafka_clients import client_config
from foundation.settings import Settings

TIMEOUT = 5.0
"""Seconds that Kafka has for one answer."""

_LOOK_EVERY = 0.05
Offsets = dict[int, int]
"""By partition, the offset of the next record to read."""


def beginning(admin: AdminClient, topic: str, timeout: float = TIMEOUT) -> Offsets:
    """The first record of each partition. Raises KafkaException, as all here do."""
    return _offsets(admin, topic, OffsetSpec.earliest(), timeout)  # type: ignore[no-untyped-call]


def end(admin: AdminClient, topic: str, timeout: float = TIMEOUT) -> Offsets:
    """Behind the last record that readers of committed records see."""
    return _offsets(admin, topic, OffsetSpec.latest(), timeout)  # type: ignore[no-untyped-call]


def settled_end(admin: AdminClient, topic: str, limit: float) -> Offsets:
    """Behind the last record of all that were acknowledged before the call.

    What was just committed is seen by readers a moment later, and nothing behind a transaction that is still
    open: this waits for it, up to ``limit`` seconds. Raises StillOpen.
    """
    acknowledged, give_up = high_watermarks(admin, topic), time.monotonic() + limit
    while behind := {p for p, offset in end(admin, topic).items() if offset < acknowledged[p]}:
        if time.monotonic() > give_up:
            raise StillOpen(topic, behind)
        time.sleep(_LOOK_EVERY)
    return acknowledged


class StillOpen(Exception):
    """A transaction that does not end keeps readers from the newest records of these partitions."""

    def __init__(self, topic: str, partitions: set[int]) -> None:
        named = ", ".join(str(partition) for partition in sorted(partitions))
        super().__init__(
            f"a transaction that is open on partition {named} of {topic} hides what was written there since: "
            "`library doctor` says how to end it"
        )
        self.partitions = partitions


def high_watermarks(admin: AdminClient, topic: str, timeout: float = TIMEOUT) -> Offsets:
    """Behind the last record of each partition, committed or not."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    return _offsets(admin, topic, latest, timeout, IsolationLevel.READ_UNCOMMITTED)


def at_time(admin: AdminClient, topic: str, ms: int, timeout: float = TIMEOUT) -> Offsets:
    """The first record at or after ``ms`` (since 1970, UTC); where there is none, the end."""
    found = _offsets(admin, topic, OffsetSpec.for_timestamp(ms), timeout)
    last = end(admin, topic, timeout)
    return {partition: offset if offset >= 0 else last[partition] for partition, offset in found.items()}


def committed(admin: AdminClient, topic: str, group: str, timeout: float = TIMEOUT) -> Offsets:
    """Where the group stands, in the partitions that it has a place in."""
    return committed_offsets(admin, topic, group, timeout)


def group_lag(admin: AdminClient, topic: str, group: str, timeout: float = TIMEOUT) -> dict[int, int]:
    """Records between the group's place and the end, by partition; markers of transactions count."""
    place = committed(admin, topic, group, timeout)
    return lag(place, beginning(admin, topic, timeout), end(admin, topic, timeout))


def table_lag(settings: Settings, timeout: float = 5.0) -> int | None:
    """Records that the projector still has to read; None if Kafka does not say."""
    try:
        admin = AdminClient(client_config(settings))
        return sum(group_lag(admin, events_topic(settings), projector_group(settings), timeout).values())
    except KafkaException:
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
            found = admin.list_topics(topic, timeout=timeout).topics[topic]
            if found.error:
                raise KafkaException(found.error)
            asked = {TopicPartition(topic, partition): spec for partition in found.partitions}
            futures = admin.list_offsets(asked, isolation_level=level, request_timeout=timeout)
            return {part.partition: future.result().offset for part, future in futures.items()}
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVING or time.monotonic() > give_up:
                raise
        time.sleep(_LOOK_EVERY)
