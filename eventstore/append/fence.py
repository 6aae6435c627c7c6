"""The fence of one partition: a transactional id with which only its last claimant can commit."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import ClusterMetadata, TopicMetadata

from eventstore.append.deadline import MAX_REQUEST_S, Deadline
from eventstore.append.pacing import Pacing
from eventstore.errors import ClaimLost, WrongStore, lost_on_error
from eventstore.headers import Headers
from eventstore.topics import events_topic, fence_id
from foundation.kafka_clients import client_config, leave_transaction
from foundation.settings import Settings

TRANSACTION_TIMEOUT_S = 10.0
"""After this time Kafka aborts a transaction whose owner has vanished."""
REQUEST_TIMEOUT_S = 3.0
"""After this time librdkafka repeats a request on another connection. The first one can still arrive."""
FIRST_CLAIM_TIMEOUT_S = 0.03
"""See ``Fence.claim``."""
LEAVE_TIMEOUT_S = 0.05
"""How long ``Fence.lose`` waits for Kafka to abort a transaction: long enough for librdkafka to begin it."""
_INFO = 6
"""A level of librdkafka, in the scale of syslog."""

_log = logging.getLogger(__name__)


class _LineCollector:
    """A logger for librdkafka that appends each line to a list."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def log(self, _: int, message: str, *arguments: object) -> None:
        """Called with the level first, while the client is polled."""
        self._lines.append(message % arguments)


class Record(NamedTuple):
    """A record to append. ``timestamp`` is in ms since 1970, UTC; without a value it is a tombstone."""

    key: bytes
    value: bytes | None
    timestamp: int
    headers: Headers


class Fence:
    """Claims a partition, appends to it, commits. After any error: ``lose`` the claim, then ``claim`` again.

    ``replicated``: the partition's leader can move to another broker. It is set by ``prepare``.
    ``topic``: another one than the event store, with ``settings.partitions`` partitions.
    """

    def __init__(self, settings: Settings, partition: int, topic: str = "") -> None:
        self._topic, self._partition = topic or events_topic(settings), partition
        self._partitions = settings.partitions
        self._reports = reports = list[str]()
        self._config: dict[str, Any] = client_config(settings) | {
            "transactional.id": f"{topic}-{partition}" if topic else fence_id(settings, partition),
            "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1000),
            "message.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1000),
            "acks": "all",
            # A flush sends all records in one request
            "linger.ms": 20,
            "retry.backoff.ms": 10,
            "retry.backoff.max.ms": 200,
            "socket.timeout.ms": int(REQUEST_TIMEOUT_S * 1000),
            "socket.connection.setup.timeout.ms": 2000,
            "metadata.max.age.ms": 5000,
            # Only the log, at this level, reports a broken connection to the coordinator; error_cb does not
            "log_level": _INFO,
            "logger": _LineCollector(reports),
            "error_cb": lambda error: reports.append(str(error)),
        }
        self._spare: Producer | None = None
        self._owner: Producer | None = None
        self._claim_timeout_s = FIRST_CLAIM_TIMEOUT_S
        self._pacing = Pacing()
        self._open = False
        """Whether the owner may have a transaction open."""
        self.replicated = False

    @property
    def claimed(self) -> bool:
        """Whether we own the partition as far as we know. Only a commit proves it."""
        return self._owner is not None

    def prepare(self, deadline: Deadline) -> None:
        """Connect a producer without claiming: a later claim then takes 3 ms, not 20. Raises ClaimLost."""
        if self._spare is not None:
            return
        with lost_on_error("connecting to Kafka"):
            producer = Producer(self._config)
            # After a single request, half of all claims meet a timer of 500 ms in librdkafka
            for _ in range(2):
                metadata = producer.list_topics(self._topic, deadline.left())
            topic = self._checked(metadata)
        self.replicated = len(metadata.brokers) > 1 or len(topic.partitions[self._partition].replicas) > 1
        self._spare = producer

    def check_topic(self, deadline: Deadline) -> None:
        """Compare the topic with the settings again.

        Raises WrongStore for another number of partitions, and ClaimLost if Kafka does not answer.
        """
        producer = self._owner or self._spare
        if producer is None:
            return
        try:
            with lost_on_error("asking for the topic"):
                self._checked(producer.list_topics(self._topic, deadline.left()))
        except WrongStore:
            # The next claim must compare again
            self._spare = None
            raise

    def _checked(self, metadata: ClusterMetadata) -> TopicMetadata:
        """The topic as described by Kafka. Raises ClaimLost, and WrongStore."""
        topic = metadata.topics[self._topic]
        if topic.error is not None:
            raise ClaimLost(
                f"topic {self._topic} can't be used (`library topics create` makes it)", topic.error
            )
        if len(topic.partitions) != self._partitions:
            raise WrongStore(
                f"topic {self._topic} has {len(topic.partitions)} partitions, the settings say "
                f"{self._partitions}: `library doctor` says what to do"
            )
        return topic

    def claim(self, deadline: Deadline) -> None:
        """Fence every earlier owner. Kafka aborts a transaction that one left open. Raises ClaimLost.

        While such a transaction ends, librdkafka sleeps for 500 ms between its attempts. Giving up early and
        claiming with a fresh producer is quicker. The time-out therefore starts short and doubles.
        """
        self.prepare(deadline)
        producer, self._spare = self._spare, None
        assert producer is not None
        try:
            with lost_on_error("claiming the partition"):
                producer.init_transactions(deadline.left(self._claim_timeout_s))
        except ClaimLost:
            self._claim_timeout_s = min(2 * self._claim_timeout_s, MAX_REQUEST_S)
            raise
        self._claim_timeout_s = FIRST_CLAIM_TIMEOUT_S
        self._owner = producer

    def wait(self) -> None:
        """Wait until Kafka accepts the next transaction; see ``eventstore.append.pacing``."""
        if (left := self._pacing.left(time.monotonic())) > 0:
            # Even a sleep of no time would release Python's lock
            time.sleep(left)

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[int]:
        """Begin a transaction, send ``records``, and return their offsets in the log. Raises ClaimLost.

        Only the first and the last record have a delivery callback: each callback takes Python's lock, and a
        busy gateway makes it wait. The others lie between them, because records are delivered in order or
        not at all. If the two offsets are too far apart, somebody else has written: ClaimLost.
        """
        producer, offsets, failures = self._required(), list[int](), list[KafkaError]()
        ends = (0, len(records) - 1)

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                offsets.append(message.offset())
            else:
                failures.append(error)

        self.wait()
        begun = time.monotonic()
        with lost_on_error("appending"):
            producer.begin_transaction()
            self._open = True
            for index, record in enumerate(records):
                while not self._queued(producer, record, delivered if index in ends else None):
                    producer.poll(deadline.left(0.01))
            waiting = producer.flush(deadline.left())
        self._pacing.delivered(begun, time.monotonic())
        if failures:
            raise ClaimLost("appending failed", failures[0])
        if waiting or len(offsets) != len(set(ends)):
            raise ClaimLost("the records were not delivered in time")
        if offsets[-1] - offsets[0] != ends[1]:
            raise ClaimLost("another producer has written to the partition at the same time")
        return list(range(offsets[0], offsets[-1] + 1))

    def commit(self, deadline: Deadline) -> None:
        """Commit the transaction. Success proves that nobody has claimed the partition since ``claim``.

        Raises ClaimLost: the transaction is then committed or not, and only the log can show which. If
        librdkafka may have repeated the request, the commit is certain, but the claim ends.
        """
        self._end("committing", lambda producer: producer.commit_transaction(deadline.left()))

    def abort(self, deadline: Deadline) -> None:
        """Abort a transaction that is still ours. Raises ClaimLost. The claim may end, as in ``commit``."""
        self._end("aborting a probe", lambda producer: producer.abort_transaction(deadline.left()))

    def _end(self, doing: str, request: Callable[[Producer], None]) -> None:
        """End the transaction, and the claim too if the request may reach Kafka a second time.

        All transactions of a claim have one epoch: librdkafka speaks version 1 of the protocol. Kafka takes a
        late request for the end of the next transaction. A new claim has a new epoch, which rules that out.
        docs/decisions/0009 has the whole argument.
        """
        producer = self._required()
        self._reports.clear()
        begun = time.monotonic()
        with lost_on_error(doing):
            request(producer)
        self._open = False
        ended = time.monotonic()
        # librdkafka delivers its reports only when it is polled
        producer.poll(0)
        self._pacing.ended(ended)
        if ended - begun >= REQUEST_TIMEOUT_S or self._reports:
            took_s = ended - begun
            _log.info("claiming again after a transaction that ended in %.1f s: %s", took_s, self._reports)
            self.lose()

    def lose(self) -> None:
        """Drop the producer. The next claim, ours or another's, aborts a transaction that it leaves open."""
        producer, self._owner = self._owner, None
        if producer is not None and self._open:
            leave_transaction(producer, LEAVE_TIMEOUT_S)
        self._open = False

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
