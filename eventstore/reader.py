"""Reads the event store, in a consumer group or from the beginning.

    with Reader(settings, EVENTS, group="overdue-notices") as reader:
        for batch in reader.batches():
            with database:
                for record in batch:
                    apply(record.event)

The offsets of a batch are committed after its block has ended, that is, when the loop requests the next one.
If a process dies, the batch that it was handling comes again, and none is skipped: at least once. Handling an
event twice must do no harm; its stream and version identify it. A program that stores ``batch.ends`` in the
transaction that stores its results, and hands them in again as ``stored``, handles every event exactly once.
"""

import logging
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from confluent_kafka import Message
from msgspec import Struct

from eventstore.avro import Undecodable
from eventstore.decider import Events
from eventstore.keys import BadKey
from eventstore.recorded import Recorded, recorder
from eventstore.subscription import Offsets as Offsets
from eventstore.subscription import OffsetsGone as OffsetsGone
from eventstore.subscription import Start as Start
from eventstore.subscription import Subscription, offsets_after
from foundation.kafka_clients import KafkaUnavailable
from foundation.memory import no_collections
from foundation.settings import Settings

E = TypeVar("E", bound=Struct)

log = logging.getLogger(__name__)

COMMIT_INTERVAL_S = 0.1
"""Interval of commits while there is more to read. A killed reader repeats up to this much work."""
BATCH_RECORDS = 10_000
BATCH_INTERVAL_S = 1.0
_FETCH_RECORDS = 500
_POLL_TIMEOUT_S = 0.2


class Unreadable(Struct, frozen=True):
    """A record that this release can't read as an event. Reading continues after it."""

    partition: int
    offset: int
    key: bytes | None
    why: str

    def __str__(self) -> str:
        key = (self.key or b"").decode(errors="replace")
        return f"the event at {self.partition}:{self.offset} (key {key!r}) can't be read: {self.why}"


UNREADABLE = (BadKey, Undecodable)
"""Raised for such a record."""


def unreadable(message: Message, error: Exception) -> Unreadable:
    """The report of a record that could not be decoded."""
    return Unreadable(message.partition() or 0, message.offset() or 0, message.key(), str(error))


class Batch(Struct, Generic[E], frozen=True):
    """Events that are handled and committed together; those of each stream are in order.

    ``starts`` and ``ends`` are offsets of the next record to read, by partition, before and after the batch:
    ``starts`` is 0 where nothing was read before. They have the partitions of this batch only.
    """

    records: list[Recorded[E]]
    starts: Offsets
    ends: Offsets

    def __iter__(self) -> Iterator[Recorded[E]]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


class Reader(Generic[E]):
    """Reads the event store, the events of each stream in order.

    With a ``group``, its readers share the partitions, and a later reader continues at the committed offsets.
    Without one, everything is read and no offset is committed. ``report`` receives unreadable records; by
    default they are logged as warnings.

    ``stored`` returns the offsets that the caller stores with its results (``Batch.ends``), by partition. It
    is called whenever partitions are assigned. Reading continues there, or at ``start`` in a partition
    without one, wherever the group's committed offsets are.

    Raises ValueError for a group without a name. Entering raises KafkaUnavailable, and KafkaException for
    what Kafka refuses. Reading raises OffsetsGone where the event store does not have the offset at which it
    should continue.
    """

    def __init__(
        self,
        settings: Settings,
        events: Events[E],
        group: str | None = None,
        start: Start = "earliest",
        report: Callable[[Unreadable], None] | None = None,
        stored: Callable[[], Offsets] | None = None,
    ) -> None:
        if group is not None and not group.strip():
            # librdkafka would abort the process
            raise ValueError("a consumer group needs a name")
        self._settings, self._recorded = settings, recorder(events)
        self._report = report or (lambda unreadable: log.warning("%s", unreadable))
        self._source = Subscription(settings, group, start, stored)

    def __enter__(self) -> Self:
        self._source.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[Recorded[E]]:
        """The recorded events up to the end of the log.

        Raises KafkaUnavailable when Kafka is silent for the deadline before the end is reached.
        """
        return self._records(follow=False)

    def follow(self) -> Iterator[Recorded[E]]:
        """The recorded events, and new ones as they come, for ever."""
        return self._records(follow=True)

    def batches(
        self,
        follow: bool = False,
        *,
        max_records: int = BATCH_RECORDS,
        max_interval_s: float = BATCH_INTERVAL_S,
    ) -> Iterator[Batch[E]]:
        """The recorded events in batches, up to the end of the log, or with ``follow`` for ever.

        A batch ends after ``max_records`` records, ``max_interval_s`` seconds after its first record was
        fetched, or where nothing more is recorded. It has events of assigned partitions only, and while its
        block runs none of them is assigned to another reader. Raises as iteration does.
        """
        source, begun = self._source, 0.0
        while True:
            before = source.waiting
            source.fetch(max_records - before, _POLL_TIMEOUT_S)
            if not before:
                begun = time.monotonic()
            full = source.waiting >= max_records or time.monotonic() - begun >= max_interval_s
            if source.waiting and (full or source.at_end):
                yield from self._batch(source.take())
                # While there is more to read, the next batch need not wait for the answer
                source.commit(wait=source.at_end)
            if not (follow or source.waiting) and self._has_ended():
                return

    def _batch(self, messages: list[Message]) -> Iterator[Batch[E]]:
        """One batch, or none if no record is readable; then note its offsets as handled."""
        records, ends = self._readable(messages)
        if records:
            yield Batch(records, {p: self._source.next[p] for p in ends}, ends)
            self._source.next.update(ends)
        self._source.handled(ends)

    def _readable(self, messages: list[Message]) -> tuple[list[Recorded[E]], dict[int, int]]:
        """The events, and the offsets after the last record of each partition."""
        records, recorded = list[Recorded[E]](), self._recorded
        with no_collections():
            for message in messages:
                try:
                    records.append(recorded(message))
                except UNREADABLE as error:
                    self._report(unreadable(message, error))
        return records, offsets_after(messages)

    def _records(self, follow: bool) -> Iterator[Recorded[E]]:
        source, committed_at = self._source, time.monotonic()
        while True:
            source.fetch(_FETCH_RECORDS, _POLL_TIMEOUT_S)
            for message in source.take():
                if (record := self._record(message)) is not None:
                    yield record
                end = offsets_after([message])
                source.next.update(end)
                source.handled(end)
                if time.monotonic() - committed_at > COMMIT_INTERVAL_S:
                    source.commit()
                    committed_at = time.monotonic()
            source.commit()
            if not follow and self._has_ended():
                return

    def _record(self, message: Message) -> Recorded[E] | None:
        try:
            return self._recorded(message)
        except UNREADABLE as error:
            self._report(unreadable(message, error))
            return None

    def _has_ended(self) -> bool:
        """Whether all that there was is fetched. Raises KafkaUnavailable if Kafka is silent before."""
        if self._source.caught_up:
            return True
        if self._source.silent_s > self._settings.deadline:
            raise KafkaUnavailable(
                f"Kafka at {self._settings.kafka} was silent for {self._settings.deadline:g} s"
            )
        return False
