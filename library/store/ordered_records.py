"""All committed records of the event store up to fixed places, whole, in the order of time."""

import heapq
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable, reading_config
from library.store.backup_file import Record
from library.store.offsets import Offsets

if TYPE_CHECKING:
    from foundation.settings import Settings

AT_ONCE = 1000
BUFFERED_KB = 4096
"""What one partition's reader may hold: there is one for each, and all are read at the same time."""
EVERY = 500
"""Records between two notes of progress."""
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}


def records(settings: "Settings", ends: Offsets) -> Iterator[Record]:
    """Each record before ``ends``: those of a partition in their order, all in the order of time.

    Raises KafkaUnavailable when nothing comes for the settings' deadline, KafkaException for what Kafka
    refuses.
    """
    partitions = (_partition(settings, partition, end) for partition, end in ends.items() if end > 0)
    return heapq.merge(*partitions, key=lambda record: record.timestamp)


def counted(found: Iterator[Record], note: Callable[[int], None]) -> Iterator[Record]:
    """The same records; ``note`` is given their number from time to time."""
    for number, record in enumerate(found):
        if number % EVERY == 0:
            note(number)
        yield record


def _partition(settings: "Settings", partition: int, end: int) -> Iterator[Record]:
    config = reading_config(settings) | {
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": BUFFERED_KB,
    }
    consumer = Consumer(config)
    heard = time.monotonic()
    try:
        consumer.assign([TopicPartition(events_topic(settings), partition, 0)])
        while True:
            messages = consumer.consume(AT_ONCE, 0.1)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > settings.deadline:
                raise KafkaUnavailable(
                    f"Kafka at {settings.kafka} did not answer for {settings.deadline:.0f} s"
                )
            for message in messages:
                if error := message.error():
                    if error.code() == KafkaError._PARTITION_EOF and (message.offset() or 0) >= end:
                        return
                    if error.code() not in (*_PASSING, KafkaError._PARTITION_EOF):
                        raise KafkaException(error)
                    continue
                if (message.offset() or 0) >= end:
                    return
                yield _record(message)
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    return Record(
        partition=message.partition(),
        offset=message.offset(),
        timestamp=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=message.headers() or [],
    )
