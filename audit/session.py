"""The audit of one table, made from one event store: it reads both, and drives the partitions."""

import logging
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from audit.differences import Difference, Explainer
from audit.partition import Partition
from audit.titles import Titles
from eventstore.partition_reader import TRANSIENT
from eventstore.subscription import Subscription
from eventstore.topics import Identity, Table, events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from schemas.tables import current_table
from schemas.topics import check_topics, identify

log = logging.getLogger(__name__)

IDLE_WAIT_S = 1.0
"""Between two looks at a quiet system."""
BUSY_WAIT_S = 0.05
FETCH_RECORDS = 5_000
MOST_WAITING = 40_000
"""Events that wait in memory until the table has them, all partitions together."""
GOAL_INTERVAL_S = 1.0
"""Without a pause in the changelog, its end is asked for."""
LEAST_WAITING = 500
"""Of one partition."""
REQUEST_TIMEOUT_S = 10.0
"""Longer than a fetch waits on a quiet broker: the next request of a client waits for it."""
_READING = {
    "queued.max.messages.kbytes": 8192,
    "max.partition.fetch.bytes": 1 << 20,
    "fetch.wait.max.ms": 1000,
}
"""A quiet broker is asked once a second, and answers at once when there is something new."""


class Subject(NamedTuple):
    """The table that is audited, and the identity of the topics: another one is another system."""

    table: Table
    identity: Identity


def subject_of(settings: Settings) -> Subject:
    """The table that counts now, and the topics as they are now.

    Raises WrongTopic, KafkaUnavailable and KafkaException. Each call has a client of its own: an answer that
    comes too late could end the process of one that lives on.
    """
    admin = AdminClient(client_config(settings))
    table = current_table(admin, settings)
    check_topics(admin, settings, REQUEST_TIMEOUT_S, [table])
    found = identify(admin, settings, REQUEST_TIMEOUT_S, table)
    return Subject(table, found)


class Session:
    """Audits the partitions that it has: with ``group`` those that the group assigns, otherwise all.

    Everything is computed from the first event, in a file in ``folder``. Entering and ``step`` raise
    KafkaException, KafkaUnavailable, and sqlite3.Error for a disk that can't be used; ``step`` raises also
    OffsetsGone where the event store went back.
    """

    def __init__(self, settings: Settings, subject: Subject, folder: Path, group: str | None) -> None:
        self.settings, self.subject = settings, subject
        self._events_topic = events_topic(settings)
        self._changelog_topic = subject.table.changelog(settings)
        self._folder = folder
        self._explainer = Explainer(settings, subject.table)
        self._committed: dict[int, int] = {}
        self._events = Subscription(settings, group, "earliest", self._folded, _READING)
        self._most_waiting = max(LEAST_WAITING, MOST_WAITING // settings.partitions)
        self._paused: set[int] = set()
        self._resting_at: dict[int, float] = {}
        """When the changelog was last at its end, or a goal was set."""
        self.partitions: dict[int, Partition] = {}
        """By number. There are none until the group has assigned some."""
        self.last_events: dict[int, int] = {}
        """The offset of the last event that was seen, by partition."""

    def __enter__(self) -> Self:
        self._titles = Titles(self._folder)
        try:
            self._events.open()
            try:
                config = reading_config(self.settings) | _READING | {"auto.offset.reset": "earliest"}
                self._changelog = Consumer(config)
            except BaseException:
                self._events.close()
                raise
        except BaseException:
            self._titles.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._changelog.close()
        try:
            self._events.close()
        finally:
            self._titles.close()

    def step(self) -> None:
        """Read what is new, and compare it; wait a while where nothing is."""
        # The events of the table's position come first: rows of a later one would begin the wait anew
        wait_s = 0.0 if self._awaits_events() else BUSY_WAIT_S if self._is_busy() else IDLE_WAIT_S
        self._read_changelog(wait_s)
        self._read_events(BUSY_WAIT_S if self._awaits_events() or not self.partitions else 0.0)
        self._set_goals()
        for partition in self.partitions.values():
            partition.fold()
            if partition.comparable and self._events.fetched(partition.number) >= partition.next:
                partition.compare()
            self._limit(partition)
        # Nothing continues there. A group that waits for the table is not behind
        offsets = {number: self._events.fetched(number) for number in self.partitions}
        if offsets != self._committed:
            self._events.handled(offsets)
            self._events.commit(wait=False)
            self._committed = offsets

    def start_rounds(self, period_s: float) -> None:
        """Read the changelog anew where the last reading began half a period ago, one partition at a time."""
        if any(not partition.at_end for partition in self.partitions.values()):
            return
        now = time.time()
        due = [
            partition
            for partition in self.partitions.values()
            if not partition.reading and (partition.whole_at or 0) <= now - period_s / 2
        ]
        for partition in sorted(due, key=lambda one: one.whole_at or 0)[:1]:
            partition.read_table(0)
            self._changelog.seek(TopicPartition(self._changelog_topic, partition.number, 0))

    def follow_table(self, subject: Subject) -> None:
        """Audit another table of the same event store, or a changelog that was made anew."""
        numbers = sorted(self.partitions)
        self._changelog.incremental_unassign([TopicPartition(self._changelog_topic, n) for n in numbers])
        self.subject, self._changelog_topic = subject, subject.table.changelog(self.settings)
        self._explainer = Explainer(self.settings, subject.table)
        for number, partition in self.partitions.items():
            partition.explainer = self._explainer
            partition.read_table(self._end(number))
        self._changelog.incremental_assign([TopicPartition(self._changelog_topic, n, 0) for n in numbers])

    def details(self) -> list[Difference]:
        """The differences that are known with their values, by title."""
        found = [one for partition in self.partitions.values() for one in partition.details.values()]
        return sorted(found, key=lambda one: one.isbn)

    def count_events(self) -> int:
        """The offsets that the event store has now, all partitions together."""
        return sum(map(self._end, range(self.settings.partitions)))

    def _folded(self) -> dict[int, int]:
        """Where reading of the events continues."""
        return {number: partition.folded for number, partition in self.partitions.items()}

    def _is_busy(self) -> bool:
        return not self.partitions or any(
            not partition.at_end or (partition.comparable and partition.folded < partition.next)
            for partition in self.partitions.values()
        )

    def _awaits_events(self) -> bool:
        """Whether a partition could be compared if its events had come."""
        return any(
            partition.comparable and self._events.fetched(number) < partition.next
            for number, partition in self.partitions.items()
        )

    def _read_events(self, wait_s: float) -> None:
        self._events.fetch(FETCH_RECORDS, wait_s)
        messages = self._events.take()
        self._follow_assignment()
        for message in messages:
            number, offset = message.partition() or 0, message.offset() or 0
            if number not in self.partitions:
                continue
            self.last_events[number] = max(offset, self.last_events.get(number, 0))
            waiting = self.partitions[number].events
            # A partition that was given away and came back is read again from ``folded`` on
            if not waiting or (waiting[-1].offset() or 0) < offset:
                waiting.append(message)

    def _follow_assignment(self) -> None:
        # Partitions that somebody has added have no events and no rows of ours
        assigned = set(self._events.next) & set(range(self.settings.partitions))
        for number in sorted(self.partitions.keys() - assigned):
            log.info("partition %d is audited by another process now", number)
            del self.partitions[number]
            self.last_events.pop(number, None)
            self._titles.forget(number)
            self._paused.discard(number)
            self._changelog.incremental_unassign([TopicPartition(self._changelog_topic, number)])
        for number in sorted(assigned - self.partitions.keys()):
            source, end = self.subject.identity.source, self._end(number)
            self.partitions[number] = Partition(number, source, self._titles, self._explainer, end)
            self._changelog.incremental_assign([TopicPartition(self._changelog_topic, number, 0)])

    def _end(self, number: int) -> int:
        """The end of a partition of the event store, for readers of committed events."""
        place = TopicPartition(self._events_topic, number)
        return int(self._changelog.get_watermark_offsets(place, timeout=REQUEST_TIMEOUT_S)[1])

    def _read_changelog(self, wait_s: float) -> None:
        # consume(n, t) waits the whole t unless it gets n: take one, then those that are there
        for message in self._changelog.consume(1, wait_s) + self._changelog.consume(FETCH_RECORDS, 0):
            error, partition = message.error(), self.partitions.get(message.partition() or 0)
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                if partition is None or message.topic() != self._changelog_topic:
                    continue
                if error is None:
                    partition.take_row(message)
                else:
                    partition.take_end(message.offset() or 0)
            elif error.code() not in TRANSIENT:
                raise KafkaException(error)

    def _set_goals(self) -> None:
        """Ask for the end of changelogs that are written without the pause in which Kafka reports it."""
        now = time.monotonic()
        for number, partition in self.partitions.items():
            if partition.at_end or partition.goal is not None:
                self._resting_at[number] = now
            elif now - self._resting_at.setdefault(number, now) > GOAL_INTERVAL_S:
                place = TopicPartition(self._changelog_topic, number)
                partition.goal = self._changelog.get_watermark_offsets(place, REQUEST_TIMEOUT_S)[1]

    def _limit(self, partition: Partition) -> None:
        """Fetch no more events of a partition while many wait for the table."""
        waiting, number = len(partition.events), partition.number
        if waiting > self._most_waiting and number not in self._paused:
            self._events.pause(number)
            self._paused.add(number)
        elif waiting < self._most_waiting // 2 and number in self._paused:
            self._events.resume(number)
            self._paused.discard(number)
