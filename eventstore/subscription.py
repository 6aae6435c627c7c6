"""The partitions that a reader has: all of them, or those that its consumer group assigns to it."""

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from eventstore.groups import known_offsets
from eventstore.partition_reader import known_end
from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable, reading_config
from foundation.memory import no_collections
from foundation.settings import Settings

log = logging.getLogger(__name__)

Start: TypeAlias = Literal["earliest", "latest"] | int
"""Where reading starts; a number is a time (ms since 1970, UTC). A committed offset takes precedence."""
Offsets: TypeAlias = Mapping[int, int]
"""The offset of the next record to read, by partition."""

MAX_POLL_INTERVAL_MS = 24 * 3600 * 1000
"""How long a batch may be handled; meanwhile its partitions can't be assigned to others."""
WAKE_S = 1.0
"""How long librdkafka's thread for a broker sleeps while it has nothing to fetch there."""
_ASSIGNMENT_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._NO_OFFSET,
}


class OffsetsGone(Exception):
    """The event store ends before the offset at which reading should continue.

    The message says what to do.
    """


def offsets_after(records: Iterable[Message]) -> dict[int, int]:
    """The offset after the last record of each partition; those of a partition are in order."""
    last = {record.partition(): record for record in records}
    return {partition or 0: (record.offset() or 0) + 1 for partition, record in last.items()}


class Subscription:
    """Fetches the records of its partitions, and commits their offsets.

    ``stored`` returns the offsets that the caller stores itself; they replace those that the group has
    committed. ``configuration`` changes librdkafka's. Opening raises KafkaUnavailable, and KafkaException for
    what Kafka refuses.
    """

    def __init__(
        self,
        settings: Settings,
        group: str | None,
        start: Start,
        stored: Callable[[], Offsets] | None,
        configuration: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings, self._group, self._start, self._stored = settings, group, start, stored
        self._configuration = configuration or {}
        self._topic = events_topic(settings)
        self._assigned: set[int] | None = None
        self._ended: set[int] = set()
        self._reached: dict[int, int] = {}
        self._goals: dict[int, int] = {}
        self._uncommitted: dict[int, int] = {}
        self._fetched: list[Message] = []
        self.next: dict[int, int] = {}
        """The offset of the next record to hand out, by assigned partition; 0 for the first one of all."""
        self.silent_s = 0.0
        """How long fetches have waited in vain since Kafka sent something."""

    def open(self) -> None:
        """Join the group, or assign all partitions."""
        config = reading_config(self._settings) | {"max.poll.interval.ms": MAX_POLL_INTERVAL_MS}
        config |= self._configuration
        if self._group is not None:
            # The process id lets an operator find the member that a group's description names
            config |= {
                "group.id": self._group,
                "group.protocol": "consumer",
                "client.id": f"library-{os.getpid()}",
                "on_commit": self._on_commit,
            }
        self._consumer = Consumer(config)
        try:
            partitions = self._partitions()
            if self._group is None:
                self._consumer.assign(self._begin(partitions))
                self._assigned = set(partitions)
            else:
                self._consumer.subscribe(
                    [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                )
        except BaseException:
            self._consumer.close()
            raise

    def close(self) -> None:
        """Commit, and leave the group."""
        try:
            self.commit()
        finally:
            self._consumer.close()

    @property
    def at_end(self) -> bool:
        """Whether all records of all assigned partitions have been fetched."""
        return self._assigned is not None and self._assigned <= self._ended

    def ended(self, partition: int) -> bool:
        """Whether all records of an assigned partition have been fetched."""
        return partition in self._ended

    @property
    def caught_up(self) -> bool:
        """Whether all records have been fetched that there were when reading began.

        Where records arrive all the time, ``at_end`` may never be true.
        """
        return self._assigned is not None and all(map(self._has_caught_up, self._assigned))

    def _has_caught_up(self, partition: int) -> bool:
        if self.ended(partition):
            return True
        if partition not in self._goals:
            end = known_end(self._consumer, self._topic, partition)
            if end is None:
                return False
            self._goals[partition] = end
        return self._reached.get(partition, -1) >= self._goals[partition]

    @property
    def waiting(self) -> int:
        """The number of fetched records."""
        return len(self._fetched)

    def fetch(self, limit: int, wait_s: float) -> None:
        """Fetch up to ``limit`` records; wait up to ``wait_s`` seconds for the first one.

        Partitions are assigned and taken away here, and nowhere else. Records of a partition that is taken
        away are forgotten. Raises OffsetsGone, and KafkaException for what Kafka refuses.
        """
        begun = time.monotonic()
        self._keep(self._consumer.consume(1, wait_s))
        # consume(n, t) waits the whole t unless it gets n: take one, then those that are there
        if limit > 1:
            with no_collections():
                self._keep(self._consumer.consume(limit - 1, 0))
        self.silent_s += time.monotonic() - begun

    def fetched(self, partition: int) -> int:
        """The offset before which every committed record of the partition has been fetched; 0: unknown."""
        return self._reached.get(partition, 0)

    def pause(self, partition: int) -> None:
        """Fetch nothing from an assigned partition until ``resume``."""
        self._consumer.pause([TopicPartition(self._topic, partition)])

    def resume(self, partition: int) -> None:
        """Fetch from the partition again."""
        self._consumer.resume([TopicPartition(self._topic, partition)])
        self._wake({partition})

    def take(self) -> list[Message]:
        """The fetched records."""
        taken, self._fetched = self._fetched, []
        return taken

    def handled(self, offsets: Offsets) -> None:
        """Let the next commit contain these offsets."""
        self._uncommitted.update(offsets)

    def commit(self, wait: bool = True) -> None:
        """Commit the offsets of what was handled, if there is a group.

        Without ``wait`` the answer is read by a later fetch, and the next commit has these offsets again.
        Raises KafkaException.
        """
        if self._group is None or not self._uncommitted:
            return
        places = self._places(self._uncommitted)
        if not wait:
            self._consumer.commit(offsets=places, asynchronous=True)
            return
        self._uncommitted = {}
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            self._on_commit(error.args[0], places)

    def _on_commit(self, error: KafkaError | None, _: list[TopicPartition]) -> None:
        """Raises KafkaException, also from the fetch that reads the answer."""
        if error is None:
            return
        if error.code() not in _ASSIGNMENT_LOST:
            raise KafkaException(error)
        lost = "the offsets of group %s could not be committed, some events will come again: %s"
        log.warning(lost, self._group, error)

    def _keep(self, messages: list[Message]) -> None:
        if not messages:
            return
        self.silent_s = 0.0
        records = [message for message in messages if message.error() is None]
        self._fetched += records
        if len(records) < len(messages):
            for message in messages:
                if (error := message.error()) is not None:
                    self._note(message, error)
        for partition, end in offsets_after(records).items():
            # Otherwise the partition's end came after it
            if end > self._reached.get(partition, 0):
                self._reached[partition] = end
                self._ended.discard(partition)

    def _note(self, message: Message, error: KafkaError) -> None:
        """Remember the end of a partition. Raises KafkaException and OffsetsGone where reading must end."""
        partition = message.partition()
        if error.code() == KafkaError._PARTITION_EOF and partition is not None:
            self._ended.add(partition)
            # Beyond the markers of transactions, which are no messages
            self._reached[partition] = message.offset() or 0
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and partition is not None:
            raise self._gone(partition)
        elif not (
            error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._MAX_POLL_EXCEEDED)
        ):
            raise KafkaException(error)

    def _gone(self, partition: int) -> OffsetsGone:
        place = TopicPartition(self._topic, partition)
        first, end = self._consumer.get_watermark_offsets(place, self._settings.deadline)
        wanted = self.next.get(partition, 0)
        who = "the reader" if self._group is None else f"group {self._group}"
        cause = (
            f"{who} continues at offset {wanted} of partition {partition}, but the event store has only the "
            f"offsets from {first} up to {end} there. It was restored, or made anew, since it was read: "
            "events would be missed or come twice. "
        )
        if self._stored is not None:
            return OffsetsGone(cause + "Delete the database that stores this offset, and start again")
        if self._group is None:
            return OffsetsGone(cause + "Start again")
        return OffsetsGone(
            f"{cause}Stop its readers, delete what they computed, then run `library replay --group "
            f"{self._group} --to-beginning`"
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

    def _begin(self, partitions: list[int]) -> list[TopicPartition]:
        """The places where reading begins."""
        known = self._known(partitions) if partitions else {}
        fresh = self._first(sorted(set(partitions) - known.keys()))
        places = self._places(known) + fresh
        for place in places:
            self.next[place.partition] = max(0, place.offset)
        if self._start != "earliest":
            # Committed at once: a group that stops before it has read anything resumes here
            self.handled({place.partition: place.offset for place in fresh})
        return places

    def _known(self, partitions: list[int]) -> Offsets:
        """The offsets that the caller has stored, or the group has committed."""
        if self._stored is not None:
            stored = self._stored()
            return {partition: stored[partition] for partition in partitions if partition in stored}
        if self._group is None:
            return {}
        return known_offsets(self._consumer, self._topic, partitions, self._settings.deadline)

    def _first(self, partitions: list[int]) -> list[TopicPartition]:
        """The offsets of the start."""
        wanted = [TopicPartition(self._topic, p, OFFSET_BEGINNING) for p in partitions]
        if self._start == "earliest":
            return wanted
        if isinstance(self._start, int):
            for partition in wanted:
                # To Kafka a negative time is a place: -1 is the end
                partition.offset = max(0, self._start)
            wanted = self._consumer.offsets_for_times(wanted, self._settings.deadline) if wanted else []
        for partition in wanted:
            if partition.error:
                # Without its offset it would be read from the end
                raise KafkaException(partition.error)
            # A time after the last event, or latest
            if partition.offset < 0:
                partition.offset = self._end(partition)
        return wanted

    def _end(self, partition: TopicPartition) -> int:
        offset: int = self._consumer.get_watermark_offsets(partition, self._settings.deadline)[1]
        return offset

    def _places(self, offsets: Offsets) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        new = {place.partition for place in partitions}
        kept = self._assigned or set()
        self._assigned = kept | new
        self._ended -= new
        consumer.incremental_assign(self._begin(sorted(new)))
        # librdkafka has paused them for the rebalance
        self._wake(kept)

    def _wake(self, partitions: Collection[int]) -> None:
        """Let librdkafka fetch from partitions that were resumed.

        Its threads for the brokers are not woken by that. A question to the partitions' leaders wakes them.
        """
        if not partitions:
            return
        try:
            self._consumer.offsets_for_times(
                [TopicPartition(self._topic, partition, 0) for partition in sorted(partitions)], WAKE_S
            )
        except KafkaException as error:
            log.debug("the leaders of the partitions do not answer: %s", error)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.commit()
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        gone = {place.partition for place in partitions}
        # Their next owner reads them from the committed offsets
        self._fetched = [message for message in self._fetched if message.partition() not in gone]
        self._ended -= gone
        if self._assigned is not None:
            self._assigned -= gone
        for partition in gone:
            self._uncommitted.pop(partition, None)
            self._reached.pop(partition, None)
            self._goals.pop(partition, None)
            self.next.pop(partition, None)
