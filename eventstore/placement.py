"""The number of partitions that an event store was written with, recognised by where its events are.

Adding partitions to a topic moves no event. A writer that believed the new number would look for a stream in
another partition than its events are in, and begin it a second time there.
"""

import threading
import time
from collections import defaultdict
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from eventstore.headers import COMMAND_ID
from eventstore.keys import BadKey, parse_event_key
from eventstore.partitions import murmur2
from foundation.kafka_clients import reading_config
from foundation.settings import Settings

SAMPLE_EVENTS = 100
"""Events of each partition that are read."""
SAMPLE_TIMEOUT_S = 5.0

_confirmed: set[Settings] = set()
"""Settings under which this process has found the events in the right partitions. Events never move."""
_lock = threading.Lock()


class Sample(NamedTuple):
    """Streams of the first events of every partition: the partition of each, and its hash.

    ``complete``: all partitions answered in time.
    """

    places: set[tuple[int, int]]
    complete: bool

    def written_with(self, partitions: int) -> int:
        """The number of partitions that explains most of the sample: ``partitions``, or fewer.

        Partitions can only be added. A stream that another program has put somewhere else is outvoted.
        """
        best, fitting = partitions, self._fitting(partitions)
        if fitting == len(self.places):
            return partitions
        for number in range(partitions - 1, 0, -1):
            if (count := self._fitting(number)) > fitting:
                best, fitting = number, count
        return best

    def _fitting(self, partitions: int) -> int:
        return sum(code % partitions == partition for partition, code in self.places)


def partitions_at_creation(settings: Settings, topic: str, partitions: int) -> int | None:
    """The number of partitions with which the topic's events were written, if it has ``partitions`` now.

    None if Kafka did not answer in time.
    """
    sample = read_sample(settings, topic, partitions)
    written = sample.written_with(partitions)
    return written if sample.complete or written != partitions else None


def is_confirmed(settings: Settings, topic: str) -> bool:
    """Whether the events are where writers with these settings look. Only the first call asks Kafka.

    True also if Kafka did not answer in time; the next call then asks again.
    """
    with _lock:
        if settings not in _confirmed:
            written = partitions_at_creation(settings, topic, settings.partitions)
            if written == settings.partitions:
                _confirmed.add(settings)
            return written in (None, settings.partitions)
    return True


def read_sample(settings: Settings, topic: str, partitions: int) -> Sample:
    """Read the first events of every partition."""
    config: dict[str, Any] = reading_config(settings) | {
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": 4096,
        "fetch.max.bytes": 1 << 20,
        "max.partition.fetch.bytes": 64 << 10,
        "fetch.wait.max.ms": 0,
    }
    consumer = Consumer(config)
    places: set[tuple[int, int]] = set()
    unread = defaultdict[int, int](lambda: SAMPLE_EVENTS)
    done: set[int] = set()
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        give_up = time.monotonic() + SAMPLE_TIMEOUT_S
        while len(done) < partitions and time.monotonic() < give_up:
            # All partitions at once: ``partition_reader`` would open a connection for each
            for message in consumer.consume(1, 0.1) + consumer.consume(SAMPLE_EVENTS, 0):
                partition, error = message.partition() or 0, message.error()
                if error is None:
                    unread[partition] -= 1
                    if (code := _hash(message)) is not None:
                        places.add((partition, code))
                    if unread[partition] <= 0:
                        done.add(partition)
                elif error.code() == KafkaError._PARTITION_EOF:
                    done.add(partition)
    finally:
        consumer.close()
    return Sample(places, len(done) == partitions)


def _hash(message: Any) -> int | None:
    """The hash of an event's stream; None for a record that no writer of ours has made."""
    if COMMAND_ID not in dict(message.headers() or ()):
        return None
    try:
        stream, _ = parse_event_key(message.key())
    except BadKey:
        return None
    return murmur2(stream.encode()) & 0x7FFFFFFF
