"""One partition of a topic, usually of the event store, read up to its end."""

from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from eventstore.append.deadline import Deadline
from eventstore.errors import ClaimLost, lost_on_error
from eventstore.partition_reader import known_end
from eventstore.topics import events_topic
from foundation.kafka_clients import reading_config
from foundation.settings import Settings

BATCH_RECORDS = 2_000
STALL_TIMEOUT_S = 0.25
"""Without a record for this long, the reader requests the end instead of waiting for it."""


class End(NamedTuple):
    """A partition's end: the last stable offset, and the high watermark (uncommitted records included)."""

    stable: int
    high: int


OUT_OF_RANGE = End(-1, -1)
"""The log does not have the requested offset: it is another log, or the answer is stale."""


class Log:
    """Reads committed records of one partition of ``topic``, by default of the event store. For one thread.

    Unlike ``partition_reader`` it is given no end: it learns the end from the answer with the last record,
    and it keeps its connection for the next batch.
    """

    def __init__(self, settings: Settings, partition: int, topic: str = "") -> None:
        self._config = reading_config(settings) | {
            # The broker shall answer at once at the end of the log
            "fetch.wait.max.ms": 0,
            # Each lane of a gateway has a reader
            "queued.max.messages.kbytes": 1024,
            "socket.timeout.ms": 3000,
            "socket.connection.setup.timeout.ms": 2000,
            "metadata.max.age.ms": 5000,
        }
        self._topic, self._partition = topic or events_topic(settings), partition
        self._consumer: Consumer | None = None

    def read(self, start: int | None, deadline: Deadline, take: Callable[[list[Message]], None]) -> End:
        """Pass all committed records from offset ``start`` (None: the first one) to ``take``, in order.

        Both ends come from one answer of the broker. Raises ClaimLost. If the log ends before ``start``, the
        result is an End below it.
        """
        with lost_on_error(f"reading {self._topic}, partition {self._partition},"):
            consumer = self._connected()
            # OFFSET_BEGINNING takes half a second while the leader is unknown; offset 0 does not
            consumer.assign([self._place(start or 0)])
            try:
                while not deadline.passes_within(0):
                    arrived = consumer.consume(1, deadline.left(STALL_TIMEOUT_S))
                    # A single call would wait until the batch is full
                    arrived += consumer.consume(BATCH_RECORDS, 0)
                    end = self._sort_out(consumer, arrived, take)
                    if end is OUT_OF_RANGE and start is None:
                        consumer.assign([self._place(OFFSET_BEGINNING)])
                    elif end is not None:
                        return end
                    elif not arrived and start is not None and self._stable(consumer, deadline) < start:
                        return End(start - 1, self._high(consumer))
            finally:
                consumer.unassign()
        raise ClaimLost("the log could not be read to its end in time")

    def disconnect(self) -> None:
        """Open a new connection next time."""
        self._consumer = None

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(self._config)
        return self._consumer

    def _sort_out(
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
                return OUT_OF_RANGE
            if not error.retriable() and code != KafkaError._TRANSPORT:
                raise ClaimLost("reading the log failed", error)
        take(records)
        return None

    def _stable(self, consumer: Consumer, deadline: Deadline) -> int:
        """The last stable offset, requested: a reader that is past it never gets an EOF for it."""
        ends = consumer.get_watermark_offsets(self._place(), timeout=deadline.left(), cached=False)
        return ends[1] if ends else 0

    def _high(self, consumer: Consumer) -> int:
        """The high watermark that came with the last answer."""
        known = known_end(consumer, self._topic, self._partition)
        return -1 if known is None else known

    def _place(self, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._topic, self._partition, offset)
