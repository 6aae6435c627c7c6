"""Requests to Kafka about both topics."""

import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.groups import GroupDescriber, committed_offsets_by_group
from eventstore.log_offsets import LogOffsets
from eventstore.partition_reader import read_partition
from eventstore.topics import Identity, events_topic, gateways_group
from foundation.kafka_clients import KafkaUnavailable, client_config, reading_config, why
from foundation.settings import Settings
from query_api.replica.progress import Ends, Progress
from schemas.tables import Tables, inventory_table, read_tables
from schemas.topics import check_topics, identify

_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


class Source:
    """The event store of one system, and the changelog of the inventory table with the number ``table``.

    Methods raise KafkaException if Kafka does not answer within ``timeout`` (s).
    """

    def __init__(self, settings: Settings, table: int = 1) -> None:
        self._settings, self.table = settings, table
        self._names = inventory_table(table)
        self.events, self.changelog = events_topic(settings), self._names.changelog(settings)
        self.gateways = gateways_group(settings)
        self.own_groups = f"{settings.name}-"
        """The prefix of the names of the system's own groups."""
        self.partitions = settings.partitions
        self.admin = AdminClient(client_config(settings))
        self._offsets = LogOffsets(settings)

    @cached_property
    def _all_offsets(self) -> LogOffsets:
        return LogOffsets(self._settings, committed=False)

    def group_describer(self) -> GroupDescriber:
        """Describes consumer groups, in one thread of the caller."""
        return GroupDescriber(self._settings)

    def of_table(self, number: int) -> "Source":
        """The same event store, and the changelog of another table."""
        return Source(self._settings, number)

    def tables(self, timeout: float) -> Tables:
        """The tables, and which of them counts. Also raises WrongTopic, KafkaUnavailable."""
        return read_tables(self.admin, self._settings, timeout)

    def identify(self, timeout: float) -> Identity:
        """Cluster and topics as they are now. Also raises WrongTopic."""
        check_topics(self.admin, self._settings, timeout, [self._names])
        return identify(self.admin, self._settings, timeout, self._names)

    def ends(self, timeout: float) -> Ends:
        """The next offset of each partition, as readers of committed events see it."""
        rows, events = self._ends((self.changelog, self.events), timeout)
        return Ends(rows, events)

    def event_ends(self, timeout: float) -> tuple[int, ...]:
        """The next offset of each partition of the event store, as readers of committed events see it."""
        (events,) = self._ends((self.events,), timeout)
        return events

    def end_of(self, topic: str, timeout: float) -> int:
        """The next offset of the only partition of a topic; 0 while there is no such topic."""
        error = self.admin.list_topics(topic, timeout=timeout).topics[topic].error
        if error is not None and error.code() in _NO_TOPIC:
            return 0
        return self._all_offsets.end(topic, 0, timeout)

    def _ends(self, topics: tuple[str, ...], timeout: float) -> list[tuple[int, ...]]:
        requested = [(topic, p) for topic in topics for p in range(self.partitions)]
        ends = self._offsets.ends(requested, timeout)
        return [tuple(ends[topic, p] for p in range(self.partitions)) for topic in topics]

    def beginnings(self, timeout: float) -> dict[int, int]:
        """The first offset of each partition of the event store."""
        return self._offsets.beginnings(self.events, range(self.partitions), timeout)

    def committed(self, groups: Iterable[str], timeout: float) -> dict[str, dict[int, int]]:
        """The offsets of the event store that each group has committed; see eventstore.groups."""
        return committed_offsets_by_group(self._settings, self.events, groups, timeout)

    def high_watermark(self, partition: int, timeout: float) -> int:
        """The next offset of a partition of the event store, open transactions included."""
        return self._all_offsets.end(self.events, partition, timeout)

    def record(self, partition: int, offset: int, timeout: float) -> Message | None:
        """The committed record of the event store at this offset; None: there is none.

        Raises KafkaUnavailable instead of waiting longer.
        """
        if offset >= self.event_ends(timeout)[partition]:
            return None
        patient = msgspec.structs.replace(self._settings, deadline=timeout)
        for message in read_partition(patient, self.events, partition, offset, end=offset + 1):
            # After a marker, or an aborted event, comes another one
            return message if message.offset() == offset else None
        return None

    def times(self, offsets: Mapping[int, int], timeout: float) -> dict[int, int | None]:
        """The time (ms) of the first event at or after each partition's offset; None: there is none.

        Partitions that do not answer in time are left out.
        """
        consumer = Consumer(reading_config(self._settings) | {"max.partition.fetch.bytes": 4096})
        found: dict[int, int | None] = {}
        waiting, give_up = set(offsets), time.monotonic() + timeout
        try:
            consumer.assign([TopicPartition(self.events, p, offset) for p, offset in offsets.items()])
            while waiting and (left := give_up - time.monotonic()) > 0:
                # All partitions at once: ``partition_reader`` would open a connection for each
                message = consumer.poll(left)
                if message is None or (partition := message.partition()) not in waiting:
                    continue
                error = message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(partition)
                    found[partition] = message.timestamp()[1] if error is None else None
        finally:
            consumer.close()
        return found

    def why(self, error: Exception) -> str:
        """The cause of ``error``, in a sentence."""
        return why(self._settings, error)

    def consumer(self, progress: Progress) -> Consumer:
        """A consumer of both topics that continues after ``progress``."""
        config: dict[str, Any] = reading_config(self._settings) | {
            # Shared by 16 partitions or more
            "queued.max.messages.kbytes": 4096,
            "max.partition.fetch.bytes": 262144,
        }
        consumer = Consumer(config)
        consumer.assign(
            [
                # Offset 0 instead of OFFSET_BEGINNING, which costs half a second. The follower falls back to
                # it where offset 0 is gone
                TopicPartition(topic, p, offset)
                for topic, offsets in ((self.changelog, progress.rows), (self.events, progress.history))
                for p, offset in enumerate(offsets)
            ]
        )
        return consumer


__all__ = ["KafkaException", "KafkaUnavailable", "Source"]
