"""Reads the event store, in a consumer group or from the beginning.

    with Reader(settings, EVENTS, group="overdue-notices") as reader:
        for record in reader.follow():
            handle(record.event)

An offset is committed after its event was handled, that is, when the loop requests the next one. If a process
dies, the event that it was handling comes again, and none is skipped: at least once. Handling an event twice
must do no harm; its stream and version identify it.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Literal, Self, TypeAlias, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from msgspec import Struct

from eventstore.avro import Undecodable
from eventstore.decider import Events
from eventstore.keys import BadKey
from eventstore.recorded import Recorded, recorded
from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable, reading_config
from foundation.settings import Settings

E = TypeVar("E", bound=Struct)

log = logging.getLogger(__name__)

Start: TypeAlias = Literal["earliest", "latest"] | int
"""Where reading starts; a number is a time (ms since 1970, UTC). A committed offset takes precedence."""

COMMIT_INTERVAL_S = 0.1
"""Interval of commits while there is more to read. A killed reader repeats up to this much work."""
_BATCH_RECORDS = 500
_POLL_TIMEOUT_S = 0.2
_ASSIGNMENT_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._NO_OFFSET,
}


class Unreadable(Struct, frozen=True):
    """A record that this release can't read as an event. Reading continues after it."""

    partition: int
    offset: int
    key: bytes | None
    why: str

    def __str__(self) -> str:
        key = (self.key or b"").decode(errors="replace")
        return f"the event at {self.partition}:{self.offset} (key {key!r}) can't be read: {self.why}"


class Reader(Generic[E]):
    """Reads the event store, the events of each stream in order.

    With a ``group``, its readers share the partitions, and a later reader continues at the committed offsets.
    Without one, everything is read and no offset is committed. ``report`` receives unreadable records; by
    default they are logged as warnings.

    Raises ValueError for a group without a name. Entering raises KafkaUnavailable, and KafkaException for
    what Kafka refuses.
    """

    def __init__(
        self,
        settings: Settings,
        events: Events[E],
        group: str | None = None,
        start: Start = "earliest",
        report: Callable[[Unreadable], None] | None = None,
    ) -> None:
        if group is not None and not group.strip():
            # librdkafka would abort the process
            raise ValueError("a consumer group needs a name")
        self._settings, self._events = settings, events
        self._topic = events_topic(settings)
        self._group = group
        self._start = start
        self._report = report or (lambda unreadable: log.warning("%s", unreadable))
        self._handled: dict[int, int] = {}
        self._committed_at = 0.0
        self._ended: set[int] = set()
        self._assigned: set[int] | None = None

    def __enter__(self) -> Self:
        config = reading_config(self._settings) | {
            "auto.offset.reset": "earliest",
            "max.poll.interval.ms": 24 * 3600 * 1000,
        }
        if self._group is not None:
            # The process id lets an operator find the member that a group's description names
            config |= {
                "group.id": self._group,
                "group.protocol": "consumer",
                "client.id": f"library-{os.getpid()}",
            }
        self._consumer = Consumer(config)
        try:
            partitions = self._partitions()
            if self._group is None:
                self._consumer.assign(self._beginnings(partitions))
                self._assigned = set(partitions)
            else:
                self._consumer.subscribe(
                    [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                )
        except BaseException:
            self._consumer.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._commit()
        finally:
            self._consumer.close()

    def __iter__(self) -> Iterator[Recorded[E]]:
        """The recorded events up to the end of the log.

        Raises KafkaUnavailable when Kafka is silent for the deadline before the end is reached.
        """
        return self._records(follow=False)

    def follow(self) -> Iterator[Recorded[E]]:
        """The recorded events, and new ones as they come, for ever."""
        return self._records(follow=True)

    def _records(self, follow: bool) -> Iterator[Recorded[E]]:
        heard = time.monotonic()
        while True:
            # Not ``partition_reader``: a group assigns several partitions, and takes them away.
            # consume(n, t) waits the whole t unless it gets n: take one, then those that are there
            messages = self._consumer.consume(1, _POLL_TIMEOUT_S) + self._consumer.consume(_BATCH_RECORDS, 0)
            for message in messages:
                heard = time.monotonic()
                if self._is_end(message):
                    continue
                if (record := self._record(message)) is not None:
                    yield record
                self._handled[message.partition() or 0] = (message.offset() or 0) + 1
                if time.monotonic() - self._committed_at > COMMIT_INTERVAL_S:
                    self._commit()
            self._commit()
            if follow:
                continue
            if self._assigned is not None and self._assigned <= self._ended:
                return
            if time.monotonic() - heard > self._settings.deadline:
                raise KafkaUnavailable(
                    f"Kafka at {self._settings.kafka} was silent for {self._settings.deadline:g} s"
                )

    def _record(self, message: Message) -> Recorded[E] | None:
        try:
            return recorded(message, self._events)
        except (BadKey, Undecodable) as error:
            self._report(
                Unreadable(message.partition() or 0, message.offset() or 0, message.key(), str(error))
            )
            return None

    def _is_end(self, message: Message) -> bool:
        error = message.error()
        partition = message.partition()
        if error is None:
            self._ended.discard(partition or 0)
            return False
        if error.code() == KafkaError._PARTITION_EOF and partition is not None:
            self._ended.add(partition)
        elif not (
            error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._MAX_POLL_EXCEEDED)
        ):
            raise KafkaException(error)
        return True

    def _commit(self) -> None:
        self._committed_at = time.monotonic()
        if self._group is None or not self._handled:
            return
        offsets = [TopicPartition(self._topic, p, offset) for p, offset in self._handled.items()]
        self._handled = {}
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in _ASSIGNMENT_LOST:
                raise
            log.warning(
                "the offsets of group %s could not be committed, some events will come again: %s",
                self._group,
                error,
            )

    def _partitions(self) -> list[int]:
        try:
            found = self._consumer.list_topics(self._topic, self._settings.deadline).topics[self._topic]
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):
                raise KafkaUnavailable(f"Kafka at {self._settings.kafka} does not answer") from error
            raise
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def _beginnings(self, partitions: list[int]) -> list[TopicPartition]:
        """The offsets of the start."""
        wanted = [TopicPartition(self._topic, p, OFFSET_BEGINNING) for p in partitions]
        if self._start == "earliest":
            return wanted
        if isinstance(self._start, int):
            for partition in wanted:
                partition.offset = self._start
            wanted = self._consumer.offsets_for_times(wanted, self._settings.deadline) if wanted else []
        for partition in wanted:
            # A time after the last event, or latest
            if partition.offset < 0:
                partition.offset = self._end(partition)
        return wanted

    def _end(self, partition: TopicPartition) -> int:
        offset: int = self._consumer.get_watermark_offsets(partition, self._settings.deadline)[1]
        return offset

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        new = {p.partition for p in partitions}
        self._assigned = (self._assigned or set()) | new
        self._ended -= new
        if self._start != "earliest" and partitions:
            known = consumer.committed(partitions, self._settings.deadline)
            fresh = self._beginnings([p.partition for p in known if p.offset == OFFSET_INVALID])
            # Committed at once: a group that stops before it has read anything resumes here
            self._handled |= {p.partition: p.offset for p in fresh}
            partitions = [p for p in known if p.offset != OFFSET_INVALID] + fresh
        consumer.incremental_assign(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for gone in partitions:
            self._handled.pop(gone.partition, None)
            self._ended.discard(gone.partition)
            if self._assigned is not None:
                self._assigned.discard(gone.partition)
