"""The follower reads both topics into the replica, through outages of Kafka and losses of the file."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstore.topics import Identity, MissingTopic, WrongTopic
from foundation import tracing
from query_api.following.intake import RecordBatch, split_at_positions
from query_api.following.replica_file import RebuildNeeded, ReplicaFile
from query_api.following.source import Source
from query_api.following.traces import Traces
from query_api.replica.damage import is_damage
from query_api.replica.events import put_events, put_unreadable
from query_api.replica.progress import Ends, Progress
from query_api.replica.replica import Replica, Unusable
from query_api.replica.rows import put_rows

log = logging.getLogger(__name__)

MAX_BATCH_RECORDS = 5_000
"""In one transaction: larger batches write each page less often."""
CHECK_INTERVAL_S = 2.0
"""Between checks that Kafka and the topics are still the same."""
KAFKA_TIMEOUT_S = 5.0
FOREIGN_ROWS = (
    "the table was made from another event store, perhaps one that was deleted: restore the events from a "
    "backup. Or delete the changelog, `library topics create`, and start the projector again"
)
_POLL_TIMEOUT_S = 0.2
_RETRY_INTERVAL_S = 0.5
_WRITE_RETRY_INTERVAL_S = 1.0


class Follower:
    """Keeps a replica in ``folder`` up to date, and rebuilds it when it is unusable."""

    def __init__(self, source: Source, folder: Path, notify: Callable[[Progress], None]) -> None:
        self._source, self._notify = source, notify
        self._stop = threading.Event()
        self._storing = threading.Lock()
        self.file = ReplicaFile(folder, self._stop.is_set)
        self.ends: Ends | None = None
        """The topics' ends at the last check."""
        self.trouble: str | None = "Kafka has not answered yet"
        """The reason why nothing new can be read; None while it can."""
        self.mismatch: str | None = None
        """How the topics contradict the settings; None if they agree. Nothing is read meanwhile."""
        self._ends_at_start: Ends | None = None
        self._following = False
        self._logged_trouble: str | None = None
        self._traces = None if tracing.tracer is None else Traces()
        self._threads = [
            threading.Thread(target=self._run, name="follower", daemon=True),
            threading.Thread(target=self._watch, name="watcher", daemon=True),
        ]

    @property
    def table(self) -> int:
        """The number of the table that ``replica`` is read from."""
        return self._source.table

    @property
    def replica(self) -> Replica | None:
        """The replica to answer from; None until it exists."""
        return self.file.replica

    @property
    def ready(self) -> bool:
        """Whether the replica has caught up, is known to be sound, and can be continued."""
        replica = self.replica
        return replica is not None and replica.progress.ready and self.file.sound and self.mismatch is None

    def start(self) -> None:
        """Open the replica, if there is one, and start both threads."""
        try:
            self.file.open()
        except Unusable as error:
            self.file.request_rebuild(str(error))
        except sqlite3.Error as error:
            # For example locked by another program: the follower tries again
            self._report_trouble(f"the replica can't be opened: {error}")
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End both threads; wait ``timeout`` seconds for them."""
        self._stop.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if not self._threads[0].is_alive():
            self.file.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing new is stored, and nobody is notified, while the block lasts."""
        with self._storing:
            yield

    def retire(self) -> None:
        """Store nothing more. ``stop`` then ends the threads."""
        self._stop.set()

    def rebuild(self, reason: str) -> None:
        """Request a new replica. Safe from any thread."""
        self.file.request_rebuild(reason)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow_or_rebuild()
            except (KafkaException, WrongTopic) as error:
                self._report_trouble(self._source.why(error))
                self._stop.wait(_RETRY_INTERVAL_S)
            except sqlite3.Error as error:
                # For example a full disk: the stored state is sound
                self._report_trouble(f"the replica can't be written: {error}")
                self._stop.wait(_WRITE_RETRY_INTERVAL_S)
            except Exception:
                # The thread must not end: all answers would become stale
                log.exception("following failed, retrying")
                self.trouble = "following failed, the log says why"
                self._stop.wait(_WRITE_RETRY_INTERVAL_S)

    def _follow_or_rebuild(self) -> None:
        try:
            self._follow()
            return
        except (RebuildNeeded, Unusable) as error:
            reason = str(error)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            reason = f"it is damaged: {error}"
        self.file.discard(reason)
        self._ends_at_start = None
        # A new file that is damaged at once must not keep the processor busy
        self._stop.wait(_RETRY_INTERVAL_S)

    def _follow(self) -> None:
        """Read until stopped, or until the topics contradict the settings.

        Raises RebuildNeeded, Unusable, KafkaException, WrongTopic, sqlite3.Error.
        """
        self.file.require_no_request()
        self.file.open()
        identity = self._identify()
        self._ends_at_start = self._ends_at_start or self.ends
        replica = self.file.require(identity, self._source.partitions)
        self._following, self.trouble = True, None
        consumer = self._source.consumer(replica.progress)
        try:
            self._store(replica, consumer, [], identity)
            held_back: list[Message] = []
            while not self._stop.is_set() and self.mismatch is None:
                self.file.require_no_request()
                messages = held_back + _poll_batch(consumer)
                if replica.progress.ready:
                    # Before, most positions were compacted away, and /readyz says that answers are old
                    messages, held_back = split_at_positions(messages, self._source.changelog)
                self._store(replica, consumer, messages, identity)
        finally:
            self._following = False
            consumer.close()

    def _identify(self) -> Identity:
        """The system as it is now; also notes the topics' ends. Raises KafkaException, WrongTopic."""
        try:
            identity = self._source.identify(KAFKA_TIMEOUT_S)
        except WrongTopic as error:
            # A missing topic may come back; another number of partitions would give a title two streams
            self.mismatch = None if isinstance(error, MissingTopic) else str(error)
            raise
        self.ends = self._source.ends(KAFKA_TIMEOUT_S)
        self.mismatch = None
        return identity

    def _store(
        self, replica: Replica, consumer: Consumer, messages: list[Message], identity: Identity
    ) -> None:
        before = replica.progress
        batch = RecordBatch.after(before, identity.source, self._traces)
        for message in messages:
            if (error := message.error()) is not None:
                self._handle_error(batch, consumer, message, error)
            elif message.topic() == self._source.changelog:
                batch.add_row(message)
            else:
                batch.add_event(message)
        if batch.foreign_source is not None:
            self._report_trouble(f"{FOREIGN_ROWS} (the changelog names {batch.foreign_source})")
        after = batch.draft.done(self._ends_at_start)
        if after == before:
            return
        with self._storing:
            if self._stop.is_set():
                return
            with replica.batch(after, batch.rows) as db:
                put_events(db, batch.events)
                put_rows(db, batch.rows.values())
                for record in batch.unreadable:
                    put_unreadable(db, record.stream, record.partition, record.offset, record.reason)
            if after.ready and not before.ready:
                log.info("caught up at %s", after)
            self._notify(after)
        if self._traces is not None:
            self._traces.advance(after)

    def _handle_error(
        self, batch: RecordBatch, consumer: Consumer, message: Message, error: KafkaError
    ) -> None:
        code = error.code()
        topic, partition = message.topic() or "", message.partition() or 0
        is_row = topic == self._source.changelog
        if code == KafkaError._PARTITION_EOF:
            (batch.draft.row_read if is_row else batch.draft.event_read)(partition, message.offset() or 0)
        elif code == KafkaError._AUTO_OFFSET_RESET:
            if not (batch.draft.rows if is_row else batch.draft.history)[partition]:
                consumer.incremental_unassign([TopicPartition(topic, partition)])
                consumer.incremental_assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
                return
            raise RebuildNeeded(f"{message.topic()} has lost records that were read: {error.str()}")
        elif code in _TOPIC_ERRORS or error.fatal():
            raise KafkaException(error)
        else:
            self._report_trouble(error.str())

    def _watch(self) -> None:
        """Check regularly that Kafka answers and that the topics are still the same."""
        while not self._stop.wait(CHECK_INTERVAL_S):
            try:
                identity = self._identify()
            except (KafkaException, WrongTopic) as error:
                self._report_trouble(self._source.why(error))
                continue
            except Exception:
                log.exception("checking the topics failed")
                continue
            replica = self.replica
            if replica is None:
                continue
            if replica.identity != identity:
                self.rebuild(f"the topics were replaced: {identity} instead of {replica.identity}")
            else:
                self.file.checkpoint(replica)
                if replica.progress.foreign:
                    self._report_trouble(FOREIGN_ROWS)
                elif self._following and self.trouble is not None:
                    log.info("Kafka answers again")
                    self.trouble = self._logged_trouble = None

    def _report_trouble(self, trouble: str) -> None:
        self.trouble = trouble
        if trouble != self._logged_trouble:
            log.warning("nothing new can be read: %s", trouble)
            self._logged_trouble = trouble


def _poll_batch(consumer: Consumer) -> list[Message]:
    """The next records of both topics, as soon as one arrives; none after _POLL_TIMEOUT_S."""
    first = consumer.poll(_POLL_TIMEOUT_S)
    # consume() alone would wait for its whole timeout unless the batch is full
    return [] if first is None else [first, *consumer.consume(MAX_BATCH_RECORDS - 1, 0)]


_TOPIC_ERRORS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL,
}  # fmt: skip
