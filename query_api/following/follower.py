"""The follower: a thread that reads both topics into the replica, whatever becomes of Kafka meanwhile."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from eventstore.topics import Identity, WrongTopic
from query_api.following.intake import Batch
from query_api.following.source import Source
from query_api.replica.events import put_events, put_unreadable
from query_api.replica.progress import Ends, Progress
from query_api.replica.replica import Replica, Unusable, create_replica, delete_replica, open_replica
from query_api.replica.rows import put_rows

log = logging.getLogger(__name__)

BATCH = 5_000
"""Records in a transaction, at most: the more, the fewer pages are written several times."""
CHECK_EVERY = 2.0
"""Seconds between looks at who Kafka and the topics are."""
PATIENCE = 5.0
"""Seconds that Kafka may take for an answer."""
_POLL = 0.2


class ReadAgain(Exception):
    """The topics are not those that the replica was read from."""


class Follower:
    """Keeps a replica in ``folder`` up to date, and makes it anew when it can't be used any more."""

    def __init__(self, source: Source, folder: Path, notify: Callable[[Progress], None]) -> None:
        self._source, self._folder, self._notify = source, folder, notify
        self.replica: Replica | None = None
        """What there is to answer from; None until it was made."""
        self.ends: Ends | None = None
        """The topics' ends, as they were at the last look."""
        self.trouble: str | None = "Kafka has not answered yet"
        """Why nothing new can be read at the moment."""
        self._ends_at_start: Ends | None = None
        self._following = False
        self._said: str | None = None
        self._unusable: str | None = None
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="follower", daemon=True),
            threading.Thread(target=self._watch, name="watcher", daemon=True),
        ]

    def start(self) -> None:
        """Open what is there and begin."""
        try:
            self.replica = open_replica(self._folder)
        except Unusable as error:
            self._discard(str(error))
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End both threads."""
        self._stop.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if self.replica is not None and not self._threads[0].is_alive():
            self.replica.close()

    def read_again(self, reason: str) -> None:
        """Make the replica anew, soon. Safe from any thread."""
        self._unusable = reason

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, WrongTopic) as error:
                self._say(self._source.why(error))
                self._stop.wait(0.5)
            except ReadAgain as error:
                self._discard(str(error))
            except sqlite3.OperationalError as error:
                # No space, for example: what is stored is sound
                self._say(f"the replica can't be written: {error}")
                self._stop.wait(1.0)
            except sqlite3.DatabaseError as error:
                self._discard(f"the replica is damaged: {error}")
            except Exception:
                # The thread must not die silently: without it every answer would slowly become old
                log.exception("following failed, starting it again")
                self.trouble = "following failed, the log says why"
                self._stop.wait(1.0)

    def _follow(self) -> None:
        """Read until stopped. Raises what makes it necessary to begin again."""
        self._unusable = None
        identity = self._source.identify(PATIENCE)
        self.ends = self._source.ends(PATIENCE)
        self._ends_at_start = self._ends_at_start or self.ends
        replica = self._replica_of(identity)
        self._following, self.trouble = True, None
        consumer = self._source.consumer(replica.progress)
        try:
            self._store(replica, consumer, [], identity)
            while not self._stop.is_set():
                if self._unusable is not None:
                    raise ReadAgain(self._unusable)
                self._store(replica, consumer, _some(consumer), identity)
        finally:
            self._following = False
            consumer.close()

    def _replica_of(self, identity: Identity) -> Replica:
        replica = self.replica
        if replica is not None and replica.identity != identity:
            raise ReadAgain(f"the replica is of {replica.identity}, Kafka has {identity}")
        if replica is None:
            replica = create_replica(self._folder, identity, self._source.partitions)
            log.info("reading a new replica in %s", self._folder)
            self.replica = replica
        return replica

    def _store(
        self, replica: Replica, consumer: Consumer, messages: list[Message], identity: Identity
    ) -> None:
        before = replica.progress
        batch = Batch.after(before, identity.source)
        for message in messages:
            if (error := message.error()) is not None:
                self._note(batch, consumer, message, error)
            elif message.topic() == self._source.changelog:
                batch.add_row(message)
            else:
                batch.add_event(message)
        if batch.foreign is not None:
            self._say(f"the changelog speaks of another event store, {batch.foreign}: run `library doctor`")
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

    def _note(self, batch: Batch, consumer: Consumer, message: Message, error: KafkaError) -> None:
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
            raise ReadAgain(f"{message.topic()} no longer has what was read from it: {error.str()}")
        elif code in _GONE or error.fatal():
            raise KafkaException(error)
        else:
            self._say(error.str())

    def _watch(self) -> None:
        """Look regularly whether Kafka answers, and whether the topics are still the same."""
        while not self._stop.wait(CHECK_EVERY):
            try:
                identity = self._source.identify(PATIENCE)
                self.ends = self._source.ends(PATIENCE)
            except (KafkaException, WrongTopic) as error:
                self._say(self._source.why(error))
                continue
            except Exception:
                log.exception("looking at the topics failed")
                continue
            replica = self.replica
            if replica is None:
                continue
            if replica.identity != identity:
                self.read_again(f"the topics were replaced: {identity} instead of {replica.identity}")
            elif not replica.exists():
                self.read_again("its file was deleted")
            else:
                self._checkpoint(replica)
                if self._following and self.trouble is not None:
                    log.info("Kafka answers again")
                    self.trouble = self._said = None

    def _checkpoint(self, replica: Replica) -> None:
        try:
            replica.checkpoint()
        except sqlite3.OperationalError as error:
            # It was deleted a moment ago, or there is no space: who writes meets that, too
            log.warning("the replica's log can't be moved into its file: %s", error)
        except sqlite3.DatabaseError as error:
            self.read_again(f"it is damaged: {error}")

    def _say(self, trouble: str) -> None:
        self.trouble = trouble
        if trouble != self._said:
            log.warning("nothing new can be read: %s", trouble)
            self._said = trouble

    def _discard(self, reason: str) -> None:
        log.warning("the replica is read again: %s", reason)
        old, self.replica = self.replica, None
        self._ends_at_start = None
        if old is not None:
            old.close()
        delete_replica(self._folder)


def _some(consumer: Consumer) -> list[Message]:
    """The next records, as soon as there is one; none after a moment without."""
    first = consumer.poll(_POLL)
    # consume() waits for its whole time unless it gets all it was asked for
    return [] if first is None else [first, *consumer.consume(BATCH - 1, 0)]


_GONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._FATAL,
}  # fmt: skip
