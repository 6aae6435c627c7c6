"""Committed records of one partition of a topic, read outside any consumer group."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from foundation.kafka_clients import KafkaUnavailable, reading_config

if TYPE_CHECKING:
    from foundation.settings import Settings

BATCH_RECORDS = 500
POLL_S = 0.2
BUFFER_KB = 512
"""Keys and values that are fetched ahead. With its headers and librdkafka's objects, an event takes ten times
the memory of its key and value, and a backup reads all partitions at the same time. With 2,048 one partition
takes 30 MB more, and a tenth less processor time."""
TRANSIENT = frozenset(
    {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}
)
"""Codes of errors from which librdkafka recovers by itself."""


def read_partition(
    settings: "Settings", topic: str, partition: int, start: int = 0, *, end: int
) -> Iterator[Message]:
    """Each committed record from offset ``start`` up to, and without, offset ``end``.

    Raises KafkaUnavailable when nothing arrives for the settings' deadline, and KafkaException for what Kafka
    refuses.
    """
    if start >= end:
        return
    for message in _messages(settings, topic, partition, start, end):
        if message is None or (message.offset() or 0) >= end:
            return
        yield message


def follow_partition(settings: "Settings", topic: str, partition: int) -> Iterator[Message | None]:
    """Each committed record from the first one on, without end; None whenever all have been read that there
    were since the last None.

    None comes between two transactions, and every POLL_S seconds while there is nothing new. Raises as
    ``read_partition``, but only before the end is reached for the first time or while new records arrive: a
    quiet topic looks like a broker that is away.
    """
    return _messages(settings, topic, partition, 0, None)


def _messages(
    settings: "Settings", topic: str, partition: int, start: int, end: int | None
) -> Iterator[Message | None]:
    """Records, and None at the end; with ``end`` that counts only at or after this offset.

    Without ``end`` it also comes at the end as it was: while records arrive all the time, Kafka reports none.
    """
    config = {"auto.offset.reset": "earliest", "queued.max.messages.kbytes": BUFFER_KB}
    consumer = Consumer(reading_config(settings) | config)
    try:
        consumer.assign([TopicPartition(topic, partition, start)])
        active_at, at_end = time.monotonic(), False
        former_end: int | None = None
        while True:
            # consume(n, t) waits the whole t unless it gets n: take one, then those that are there
            messages = consumer.consume(1, POLL_S) + consumer.consume(BATCH_RECORDS, 0)
            if messages or at_end:
                active_at = time.monotonic()
            elif time.monotonic() - active_at > settings.deadline:
                raise KafkaUnavailable(f"Kafka at {settings.kafka} was silent for {settings.deadline:g} s")
            if messages and end is None and former_end is None:
                former_end = known_end(consumer, topic, partition)
            for message in messages:
                error = message.error()
                if error is None:
                    at_end = False
                    if former_end is not None and (message.offset() or 0) >= former_end:
                        former_end = None
                        yield None
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    if end is None or (message.offset() or 0) >= end:
                        at_end, former_end = True, None
                        yield None
                elif error.code() not in TRANSIENT:
                    raise KafkaException(error)
            if not messages and at_end:
                yield None
    finally:
        consumer.close()


def known_end(consumer: Consumer, topic: str, partition: int) -> int | None:
    """The partition's end at Kafka's last answer to ``consumer``; None before the first.

    Everything acknowledged before that is before it. Kafka reports the end of a partition only in a moment in
    which nothing arrives: in a store that is written all the time there may be none.
    """
    known = consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
    return known[1] if known and known[1] >= 0 else None
