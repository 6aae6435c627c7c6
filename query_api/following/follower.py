"""The follower reads both topics into the replica, through outages of Kafka and losses of the file."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstore.topics import Identity, MissingTopic, WrongTopic
from query_api.following.intake import RecordBatch
from query_api.following.source import Source
from query_api.replica.damage import is_damage
from query_api.replica.events import put_events, put_unreadable
from query_api.replica.progress import Ends, Progress
from query_api.replica.replica import Replica, Unusable, create_replica, delete_replica, open_replica
from query_api.replica.rows import put_rows

log = logging.getLogger(__name__)

MAX_BATCH_RECORDS = 5_000
"""In one transaction: larger batches write each page less often."""
CHECK_INTERVAL_S = 2.0
"""Between checks that Kafka and the topics are still the same."""
KAFKA_TIMEOUT_S = 5.0
_POLL_TIMEOUT_S = 0.2
_RETRY_INTERVAL_S = 0.5
_WRITE_RETRY_INTERVAL_S = 1.0


class RebuildNeeded(Exception):
    """The replica can't be continued; the message says why."""


class Follower:
    """Keeps a replica in ``folder`` up to date, and rebuilds it when it is unusable."""

    def __init__(self, source: Source, folder: Path, notify: Callable[[Progress], None]) -> None:
        self._source, self._folder, self._notify = source, folder, notify
        self.replica: Replica | None = None
        """The replica to answer from; None until it exists."""
        self.ends: Ends | None = None
        """The topics' ends at the last check."""
        self.trouble: str | None = "Kafka has not answered yet"
        """The reason why nothing new can be read; None while it can."""
        self.mismatch: str | None = None
        """How the topics contradict the settings; None if they agree. Nothing is read meanwhile."""
        self._ends_at_start: Ends | None = None
        self._following = False
        self._logged_trouble: str | None = None
        self._rebuild_reason: str | None = None
        self._unchecked: Replica | None = None
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="follower", daemon=True),
            threading.Thread(target=self._watch, name="watcher", daemon=True),
        ]

    @property
    def ready(self) -> bool:
        """Whether the replica has caught up, is known to be sound, and can be continued."""
        replica = self.replica
        return (
            replica is not None
            and replica.progress.ready
            and replica is not self._unchecked
            and self.mismatch is None
        )

    def start(self) -> None:
        """Open the replica, if there is one, and start both threads."""
        try:
            self._open()
        except Unusable as error:
            self._discard(str(error))
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
        if self.replica is not None and not self._threads[0].is_alive():
            self.replica.close()

    def rebuild(self, reason: str) -> None:
        """Request a new replica. Safe from any thread."""
        self._rebuild_reason = reason

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, WrongTopic) as error:
                self._report_trouble(self._source.why(error))
                self._stop.wait(_RETRY_INTERVAL_S)
            except (RebuildNeeded, Unusable) as error:
                self._discard(str(error))
            except sqlite3.Error as error:
                if is_damage(error):
                    self._discard(f"it is damaged: {error}")
                else:
                    # For example a full disk: the stored state is sound
                    self._report_trouble(f"the replica can't be written: {error}")
                self._stop.wait(_WRITE_RETRY_INTERVAL_S)
            except Exception:
                # The thread must not end: all answers would become stale
                log.exception("following failed, retrying")
                self.trouble = "following failed, the log says why"
                self._stop.wait(_WRITE_RETRY_INTERVAL_S)

    def _follow(self) -> None:
        """Read until stopped, or until the topics contradict the settings.

        Raises RebuildNeeded, Unusable, KafkaException, WrongTopic, sqlite3.Error.
        """
        self._require_sound()
        identity = self._identify()
        self._ends_at_start = self._ends_at_start or self.ends
        replica = self._replica_of(identity)
        self._following, self.trouble = True, None
        consumer = self._source.consumer(replica.progress)
        try:
            self._store(replica, consumer, [], identity)
            while not self._stop.is_set() and self.mismatch is None:
                self._require_sound()
                self._store(replica, consumer, _poll_batch(consumer), identity)
        finally:
            self._following = False
            consumer.close()

    def _require_sound(self) -> None:
        if self._rebuild_reason is not None:
            raise RebuildNeeded(self._rebuild_reason)

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

    def _open(self) -> None:
        """Open the replica, if there is one, and begin to check it. Raises Unusable, sqlite3.Error."""
        replica = open_replica(self._folder)
        if replica is not None:
            self._unchecked = self.replica = replica
            threading.Thread(target=self._check, args=(replica,), name="checker", daemon=True).start()

    def _check(self, replica: Replica) -> None:
        try:
            damage = replica.find_damage(self._stop.is_set)
        except sqlite3.Error as error:
            damage = str(error) if is_damage(error) else None
            if damage is None and not self._stop.is_set():
                log.warning("the replica can't be checked: %s", error)
        if self.replica is not replica:
            return
        if damage is not None:
            self.rebuild(f"it is damaged: {damage}")
        else:
            self._unchecked = None

    def _replica_of(self, identity: Identity) -> Replica:
        if self.replica is None:
            self._open()
        replica = self.replica
        if replica is not None and replica.identity != identity:
            raise RebuildNeeded(f"it was read from {replica.identity}, Kafka has {identity}")
        if replica is not None and len(replica.progress.rows) != self._source.partitions:
            raise RebuildNeeded(
                f"it has {len(replica.progress.rows)} partitions, the topics have {self._source.partitions}"
            )
        if replica is None:
            replica = create_replica(self._folder, identity, self._source.partitions)
            log.info("building a new replica in %s", self._folder)
            self.replica = replica
        return replica

    def _store(
        self, replica: Replica, consumer: Consumer, messages: list[Message], identity: Identity
    ) -> None:
        before = replica.progress
        batch = RecordBatch.after(before, identity.source)
        for message in messages:
            if (error := message.error()) is not None:
                self._handle_error(batch, consumer, message, error)
            elif message.topic() == self._source.changelog:
                batch.add_row(message)
            else:
                batch.add_event(message)
        if batch.foreign_source is not None:
            self._report_trouble(
                f"the changelog names another event store, {batch.foreign_source}: run `library doctor`"
            )
        after = batch.draft.done(self._ends_at_start)
        if after == before:
            return
        with replica.batch(after, batch.rows) as db:
            put_events(db, batch.events)
            put_rows(db, batch.rows.values())
            for record in batch.unreadable:
                put_unreadable(db, record.stream, record.partition, record.offset, record.reason)
        if after.ready and not before.ready:
            log.info("caught up at %s", after)
        self._notify(after)

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
            elif not replica.exists():
                self.rebuild("its file was deleted")
            else:
                self._checkpoint(replica)
                if self._following and self.trouble is not None:
                    log.info("Kafka answers again")
                    self.trouble = self._logged_trouble = None

    def _checkpoint(self, replica: Replica) -> None:
        try:
            replica.checkpoint()
        except sqlite3.Error as error:
            if is_damage(error):
                self.rebuild(f"it is damaged: {error}")
            else:
                # The file was just deleted, or the disk is full: the writer meets that, too
                log.warning("the replica's write-ahead log can't be copied into its file: %s", error)

    def _report_trouble(self, trouble: str) -> None:
        self.trouble = trouble
        if trouble != self._logged_trouble:
            log.warning("nothing new can be read: %s", trouble)
            self._logged_trouble = trouble

    def _discard(self, reason: str) -> None:
        log.warning("the replica is rebuilt: %s", reason)
        old, self.replica = self.replica, None
        self._ends_at_start = self._rebuild_reason = None
        if old is not None:
            old.close()
        delete_replica(self._folder)


def _poll_batch(consumer: Consumer) -> list[Message]:
    """The next records, as soon as one arrives; none after _POLL_TIMEOUT_S."""
    first = consumer.poll(_POLL_TIMEOUT_S)
    # consume() alone would wait for its whole timeout unless the batch is full
    return [] if first is None else [first, *consumer.consume(MAX_BATCH_RECORDS - 1, 0)]


_TOPIC_ERRORS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL,
}  # fmt: skip
