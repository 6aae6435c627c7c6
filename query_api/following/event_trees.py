"""The Merkle trees of the event store's partitions, for proofs. A tree is read when it is first asked for.

Reading takes about 15 µs an event, once; a tree takes 72 bytes an event.
"""

import time
from array import array
from bisect import bisect_left
from collections import OrderedDict

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from eventstore.partition_reader import read_partition
from eventstore.topics import events_topic
from evidence.leaf import message_hash
from evidence.merkle import Tree
from foundation.kafka_clients import KafkaUnavailable, reading_config
from foundation.settings import Settings

MAX_EVENTS = 4_000_000
"""Of all trees that are kept; the tree that was asked for is kept in any case."""
BATCH_EVENTS = 4096
READ_LIMIT_S = 10.0
"""A request reads at most this long; the next one continues."""
_POLL_TIMEOUT_S = 5.0


class StillReading(Exception):
    """The tree has not all events yet: ask again."""


class EventTree:
    """The tree of one partition: leaf ``i`` is the event at ``offsets[i]``."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.offsets = array("q")
        self._pending: list[bytes] = []

    def index(self, offset: int) -> int:
        """The index of the event at this offset. Raises KeyError."""
        index = bisect_left(self.offsets, offset)
        if index == len(self.offsets) or self.offsets[index] != offset:
            raise KeyError(offset)
        return index

    def add(self, message: Message) -> None:
        """Append an event."""
        self.offsets.append(message.offset() or 0)
        self._pending.append(message_hash(message))
        if len(self._pending) == BATCH_EVENTS:
            self.flush()

    def flush(self) -> None:
        """Add the pending leaves to the tree."""
        self.tree.add(self._pending)
        self._pending.clear()


class EventTrees:
    """The trees of a store, for one thread. Methods raise KafkaException and KafkaUnavailable."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._topic = settings, events_topic(settings)
        self._trees: OrderedDict[int, EventTree] = OrderedDict()

    def clear(self) -> None:
        """Forget all trees: they are of another topic."""
        self._trees.clear()

    def read(self, partition: int, size: int, end: int) -> EventTree:
        """The tree of a partition with at least ``size`` events, or with all before offset ``end``.

        Raises StillReading after READ_LIMIT_S.
        """
        give_up = time.monotonic() + READ_LIMIT_S
        found = self._trees.setdefault(partition, EventTree())
        self._trees.move_to_end(partition)
        if len(found.tree) < size:
            start = found.offsets[-1] + 1 if found.offsets else 0
            try:
                for message in read_partition(self._settings, self._topic, partition, start, end=end):
                    found.add(message)
                    if time.monotonic() > give_up:
                        raise StillReading(f"{len(found.offsets):,} of {size:,} events were read")
            finally:
                found.flush()
        while len(self._trees) > 1 and sum(len(one.offsets) for one in self._trees.values()) > MAX_EVENTS:
            self._trees.popitem(last=False)
        return found

    def records(self, partition: int, offsets: list[int]) -> list[Message]:
        """The events at these offsets, which exist."""
        consumer = Consumer(reading_config(self._settings))
        found = []
        try:
            for offset in offsets:
                consumer.assign([TopicPartition(self._topic, partition, offset)])
                message = consumer.poll(_POLL_TIMEOUT_S)
                if message is None:
                    raise KafkaUnavailable(f"Kafka did not return the event at {partition}:{offset}")
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                found.append(message)
        finally:
            consumer.close()
        return found
