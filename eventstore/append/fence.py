"""The fence of one partition: a transactional id that only its last claimant can commit with."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Producer

from eventstore.append.deadline import LONGEST_REQUEST, Deadline
from eventstore.append.pacing import Pacing
from eventstore.errors import ClaimLost, WrongStore, lost_on_error
from eventstore.headers import Headers
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings

TRANSACTION_TIMEOUT = 10.0
"""Seconds after which Kafka aborts a transaction whose owner has vanished."""
PATIENCE = 0.03
"""Seconds that a first claim may take; see ``Fence.claim``."""


class Record(NamedTuple):
    """What is to be appended; ``timestamp`` in ms."""

    key: bytes
    value: bytes
    timestamp: int
    headers: Headers


class Fence:
    """Claims a partition, appends to it, commits. Any error ends the ownership: ``lose``, then ``claim``.

    ``replicated``: the partition's leader can move to another broker (known after ``prepare``).
    """

    def __init__(self, settings: Settings, partition: int) -> None:
        self._topic, self._partition = events_topic(settings), partition
        self._partitions = settings.partitions
        self._config: dict[str, Any] = client_config(settings) | {
            "transactional.id": f"{self._topic}-{partition}",
            "transaction.timeout.ms": int(TRANSACTION_TIMEOUT * 1000),
            "message.timeout.ms": int(TRANSACTION_TIMEOUT * 1000),
            "acks": "all",
            # Records go when they are flushed, all in one request
            "linger.ms": 20,
            "retry.backoff.ms": 10,
            "retry.backoff.max.ms": 200,
            "socket.timeout.ms": 3000,
            "socket.connection.setup.timeout.ms": 2000,
            "metadata.max.age.ms": 5000,
        }
        self._spare: Producer | None = None
        self._owner: Producer | None = None
        self._patience = PATIENCE
        self._breath = Pacing()
        self.replicated = False

    @property
    def claimed(self) -> bool:
        """Whether the partition is ours, as far as we know; only a commit proves it."""
        return self._owner is not None

    def prepare(self, deadline: Deadline) -> None:
        """Connect a producer that claims nothing yet: the claim then takes 3 ms, not 20. Raises ClaimLost."""
        if self._spare is not None:
            return
        with lost_on_error("connecting to Kafka"):
            producer = Producer(self._config)
            # Asked once only, half of all claims run into a timer of 500 ms in Kafka's client
            for _ in range(2):
                metadata = producer.list_topics(self._topic, deadline.left())
            topic = metadata.topics[self._topic]
            if topic.error is not None:
                raise ClaimLost(
                    f"topic {self._topic} can't be used (`library topics create` makes it)", topic.error
                )
            if len(topic.partitions) != self._partitions:
                raise WrongStore(
                    f"topic {self._topic} has {len(topic.partitions)} partitions, the settings say "
                    f"{self._partitions}: set LIBRARY_PARTITIONS={len(topic.partitions)}"
                )
        self.replicated = len(metadata.brokers) > 1 or len(topic.partitions[self._partition].replicas) > 1
        self._spare = producer

    def claim(self, deadline: Deadline) -> None:
        """Fence every earlier owner; a transaction that one left open is aborted. Raises ClaimLost.

        While such a transaction ends, Kafka's client sleeps for 500 ms between its attempts. To give up
        early and claim with a fresh producer is quicker, so patience begins short and doubles.
        """
        self.prepare(deadline)
        producer, self._spare = self._spare, None
        assert producer is not None
        try:
            with lost_on_error("claiming the partition"):
                producer.init_transactions(deadline.left(self._patience))
        except ClaimLost:
            self._patience = min(2 * self._patience, LONGEST_REQUEST)
            raise
        self._patience = PATIENCE
        self._owner = producer

    def breathe(self) -> None:
        """Wait until a transaction can begin without being turned away; see ``eventstore.append.pacing``."""
        if (left := self._breath.left(time.monotonic())) > 0:
            # To sleep for no time would still hand Python's lock over
            time.sleep(left)

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[int]:
        """Begin a transaction with ``records``; the offsets at which the log has them. Raises ClaimLost.

        Only the first and the last are told of their delivery: each telling takes Python's lock, for which a
        busy gateway lets it wait. What lies between are the others, for they are delivered in order or not
        at all; were there more, somebody else has written, and that is ClaimLost, too.
        """
        producer, offsets, failures = self._required(), list[int](), list[KafkaError]()
        ends = (0, len(records) - 1)

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                offsets.append(message.offset())
            else:
                failures.append(error)

        self.breathe()
        begun = time.monotonic()
        with lost_on_error("appending"):
            producer.begin_transaction()
            for index, record in enumerate(records):
                while not self._queued(producer, record, delivered if index in ends else None):
                    producer.poll(deadline.left(0.01))
            waiting = producer.flush(deadline.left())
        self._breath.delivered(begun, time.monotonic())
        if failures:
            raise ClaimLost("appending failed", failures[0])
        if waiting or len(offsets) != len(set(ends)):
            raise ClaimLost("the records were not delivered in time")
        if offsets[-1] - offsets[0] != ends[1]:
            raise ClaimLost("another producer has written to the partition at the same time")
        return list(range(offsets[0], offsets[-1] + 1))

    def commit(self, deadline: Deadline) -> None:
        """End the transaction. Returning proves that nobody has claimed the partition since ``claim``.

        Raises ClaimLost: then it may be committed or not, and only the log can tell.
        """
        with lost_on_error("committing"):
            self._required().commit_transaction(deadline.left())
        self._breath.ended(time.monotonic())

    def abort(self, deadline: Deadline) -> None:
        """Undo a transaction that is still ours. Raises ClaimLost."""
        with lost_on_error("undoing a probe"):
            self._required().abort_transaction(deadline.left())
        self._breath.ended(time.monotonic())

    def lose(self) -> None:
        """Drop the producer as it is: the next claim, ours or another's, ends what it left open."""
        self._owner = None

    def _required(self) -> Producer:
        if self._owner is None:
            raise ClaimLost("the partition is not claimed")
        return self._owner

    def _queued(self, producer: Producer, record: Record, delivered: Any) -> bool:
        try:
            producer.produce(
                self._topic,
                record.value,
                record.key,
                self._partition,
                on_delivery=delivered,
                timestamp=record.timestamp,
                headers=record.headers,  # type: ignore[arg-type]  # a list is invariant
            )
        except BufferError:
            return False
        return True
