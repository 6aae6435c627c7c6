"""One partition of the event store, read to its end."""

from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from eventstore.append.deadline import Deadline
from eventstore.errors import ClaimLost, lost_on_error
from eventstore.topics import events_topic
from foundation.kafka_clients import reading_config
from foundation.settings import Settings

BATCH = 10_000
STALLED = 0.25
"""Seconds without a record after which the end is asked for, instead of waited for."""


class End(NamedTuple):
    """Where a partition ends: for readers of committed records, and with what is not committed yet."""

    stable: int
    high: int


NOWHERE = End(-1, -1)
"""Of a log that does not have the offset asked for: it is another log, or the answer is old."""


class Log:
    """Reads committed records of one partition. Not for several threads at once."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._config = reading_config(settings) | {
            # The end is wanted at once, not when more records come
            "fetch.wait.max.ms": 0,
            "queued.max.messages.kbytes": 16 * 1024,
            "socket.timeout.ms": 3000,
            "socket.connection.setup.timeout.ms": 2000,
            "metadata.max.age.ms": 5000,
        }
        self._topic, self._partition = events_topic(settings), partition
        self._consumer: Consumer | None = None

    def read(self, start: int | None, deadline: Deadline, take: Callable[[list[Message]], None]) -> End:
        """Hand all committed records from offset ``start`` (None: the first there is) to ``take``, in order.

        Both ends come from one answer of the broker, so they belong together. Raises ClaimLost; a log that
        ends before ``start`` is an End below it.
        """
        with lost_on_error(f"reading {self._topic}, partition {self._partition},"):
            consumer = self._connected()
            # Asking for the beginning of a partition whose leader is not known yet takes half a second
            consumer.assign([self._place(start or 0)])
            try:
                while not deadline.passes_within(0):
                    arrived = consumer.consume(1, deadline.left(STALLED))
                    # One call would wait for the whole batch
                    arrived += consumer.consume(BATCH, 0)
                    end = self._sorted_out(consumer, arrived, take)
                    if end is NOWHERE and start is None:
                        consumer.assign([self._place(OFFSET_BEGINNING)])
                    elif end is not None:
                        return end
                    elif not arrived and start is not None and self._stable(consumer, deadline) < start:
                        return End(start - 1, self._high(consumer))
            finally:
                consumer.unassign()
        raise ClaimLost("the log could not be read to its end in time")

    def forget(self) -> None:
        """Connect anew next time: a leader that was frozen is asked again and again otherwise."""
        self._consumer = None

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(self._config)
        return self._consumer

    def _sorted_out(
        self, consumer: Consumer, arrived: list[Any], take: Callable[[list[Message]], None]
    ) -> End | None:
        records = []
        for message in arrived:
            error = message.error()
            if error is None:
                records.append(message)
                continue
            code = error.code()
            if code == KafkaError._PARTITION_EOF:
                take(records)
                return End(message.offset(), self._high(consumer))
            if code == KafkaError._AUTO_OFFSET_RESET:
                return NOWHERE
            if not error.retriable() and code != KafkaError._TRANSPORT:
                raise ClaimLost("reading the log failed", error)
        take(records)
        return None

    def _stable(self, consumer: Consumer, deadline: Deadline) -> int:
        """The stable end, asked for: a reader that stands beyond it already is never told of it."""
        ends = consumer.get_watermark_offsets(self._place(), timeout=deadline.left(), cached=False)
        return ends[1] if ends else 0

    def _high(self, consumer: Consumer) -> int:
        """The high watermark that came with the last answer."""
        known = consumer.get_watermark_offsets(self._place(), cached=True)
        return known[1] if known else -1

    def _place(self, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._topic, self._partition, offset)
