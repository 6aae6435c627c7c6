"""Offsets of a topic: its beginning and end, a point in time, a group's committed offsets and its lag."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstore.groups import committed_offsets, lag
from eventstore.log_offsets import LogOffsets
from eventstore.topics import LEADER_MOVING, WrongTopic, events_topic
from foundation.kafka_clients import KafkaUnavailable, client_config
from foundation.settings import Settings
from schemas.tables import current_table

TIMEOUT_S = 5.0
"""Limit for one request to Kafka."""
POLL_INTERVAL_S = 0.05

Answer = TypeVar("Answer")
Offsets = dict[int, int]
"""For each partition, the offset of the next record to read."""


def beginning(settings: Settings, topic: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The first record of each partition. Raises KafkaException, as every function here."""
    with closing(LogOffsets(settings)) as log:
        return _retried(lambda: log.beginnings(topic, log.partitions(topic, timeout), timeout), timeout)


def end(settings: Settings, topic: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The end for readers of committed records: before the first open transaction."""
    with closing(LogOffsets(settings)) as log:
        return _end(log, topic, timeout)


def settled_end(settings: Settings, topic: str, limit_s: float) -> Offsets:
    """The end of everything that was acknowledged before the call.

    Readers see a commit a moment later, and nothing after an open transaction: this waits for it, up to
    ``limit_s`` seconds. Raises StillOpen.
    """
    acknowledged, give_up = high_watermarks(settings, topic), time.monotonic() + limit_s
    with closing(LogOffsets(settings)) as log:
        while behind := {p for p, last in _end(log, topic, TIMEOUT_S).items() if last < acknowledged[p]}:
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


def high_watermarks(settings: Settings, topic: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The end of each partition, including records that are not committed."""
    with closing(LogOffsets(settings, committed=False)) as log:
        return _end(log, topic, timeout)


def at_time(settings: Settings, topic: str, ms: int, timeout: float = TIMEOUT_S) -> Offsets:
    """The first record at or after ``ms`` (since 1970, UTC); the end where there is none."""
    with closing(LogOffsets(settings)) as log:
        found = _retried(lambda: log.at_time(topic, log.partitions(topic, timeout), ms, timeout), timeout)
        last = _end(log, topic, timeout)
    return {p: last[p] if offset is None else offset for p, offset in found.items()}


def committed(settings: Settings, topic: str, group: str, timeout: float = TIMEOUT_S) -> Offsets:
    """The group's committed offsets, for the partitions that have one."""
    return committed_offsets(settings, topic, group, timeout)


def group_lag(settings: Settings, topic: str, group: str, timeout: float = TIMEOUT_S) -> dict[int, int]:
    """Offsets between the group's and the end, by partition; transaction markers count."""
    position = committed(settings, topic, group, timeout)
    return lag(position, beginning(settings, topic, timeout), end(settings, topic, timeout))


def table_lag(settings: Settings, timeout: float = TIMEOUT_S) -> int | None:
    """Offsets that the projector has not read yet; None if Kafka does not answer."""
    topic = events_topic(settings)
    try:
        admin = AdminClient(client_config(settings))
        group = current_table(admin, settings).group_id(settings)
        return sum(group_lag(settings, topic, group, timeout).values())
    except (KafkaException, KafkaUnavailable, WrongTopic):
        return None


def _end(log: LogOffsets, topic: str, timeout: float) -> Offsets:
    def ask() -> Offsets:
        ends = log.ends([(topic, partition) for partition in log.partitions(topic, timeout)], timeout)
        return {partition: offset for (_, partition), offset in ends.items()}

    return _retried(ask, timeout)


def _retried(ask: Callable[[], Answer], timeout: float) -> Answer:
    """Ask again while the leader of a partition moves."""
    give_up = time.monotonic() + timeout
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVING or time.monotonic() > give_up:
                raise
        time.sleep(POLL_INTERVAL_S)
