"""The names of borrowers as the topic has them now: a view in memory that forgets.

No file holds a name. SQLite leaves copies of moved rows in a file even with ``secure_delete`` and a truncated
write-ahead log, so a name that was written to disk might stay there after it was forgotten.
"""

import logging
import threading
import time
from collections.abc import Iterable
from functools import cached_property

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from eventstore.avro import Undecodable
from eventstore.log_offsets import LogOffsets
from eventstore.partition_reader import TRANSIENT, known_end, read_partition
from foundation.kafka_clients import KafkaUnavailable, client_config, reading_config, why
from foundation.settings import Settings
from schemas.directory import directory_of
from schemas.patrons import is_token, name_key
from schemas.topics import has_names, names_topic

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 2.0
"""Between two checks that the topic exists and is still the same."""
REQUEST_TIMEOUT_S = 5.0
RESCAN_INTERVAL_S = 10.0
"""Between two looks whether Kafka's cleaner has removed the names that were erased."""
_RESCAN_SHARE = 0.05
"""Of the time that those looks may take, with very many borrowers."""
_POLL_S = 0.2
_BATCH_RECORDS = 5_000
_RETRY_INTERVAL_S = 0.5


class NamesUnknown(Exception):
    """The names can't be read up to now; the message says why."""


class NamesView:
    """Follows the topic of names in a thread, from its first record on.

    Reads are safe from any thread. A store without the topic has no names: ``exists`` is False.
    """

    def __init__(self, settings: Settings, only: str = "") -> None:
        """``only``: of one borrower, by user id or token; the others are not decoded."""
        self._settings, self._topic, self._only = settings, names_topic(settings), only
        self._admin = AdminClient(client_config(settings))
        self._stop, self._changed = threading.Event(), threading.Condition()
        self._recheck = threading.Event()
        self.exists: bool | None = None
        """Whether the store keeps names apart; None until Kafka has answered."""
        self.trouble: str | None = None
        """The reason why nothing new can be read; None while it can."""
        self.directory = directory_of(only)
        self.logged: dict[str, int] = {}
        """Forgotten tokens whose names are still in the log, with the times of their tombstones (ms)."""
        self._nameless: set[str] = set()
        self._topic_id = ""
        self._next = 0
        self._caught_up = False
        self._first_end: int | None = None
        self._rescan_at = 0.0
        self._rescanning = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="names", daemon=True)

    @cached_property
    def _offsets(self) -> LogOffsets:
        # Also records that are not committed yet: a commit is acknowledged before readers see it
        return LogOffsets(self._settings, committed=False)

    @property
    def ready(self) -> bool:
        """Whether the names were read to their end once, or there are none."""
        return self.exists is False or self._caught_up

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread, and wait for it for ``timeout`` seconds."""
        self._stop.set()
        self._recheck.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def unresolved(self, users: Iterable[str]) -> bool:
        """Whether a borrower of events or rows may have a name that was not read yet: call ``catch_up``."""
        if self.exists and self._caught_up:
            named, forgotten, nameless = self.directory.user_of, self.directory.forgotten, self._nameless
            unnamed = [user for user in users if named(user) is None]
            return any(user not in forgotten and user not in nameless and is_token(user) for user in unnamed)
        return any(map(is_token, users))

    def catch_up(self, timeout: float, users: Iterable[str] = ()) -> None:
        """Read everything that was written before the call; wait ``timeout`` seconds for it.

        ``users`` that have no name even then are not ``unresolved`` any more. Raises NamesUnknown.
        """
        give_up = time.monotonic() + timeout
        try:
            if not self.exists and not has_names(self._admin, self._settings, timeout):
                self.exists = False
                return
            end = self._offsets.end(self._topic, 0, timeout)
        except KafkaException as error:
            raise NamesUnknown(f"the names of borrowers can't be read: {error.args[0].str()}") from error
        self._recheck.set()
        with self._changed:
            left = max(0.0, give_up - time.monotonic())
            if not self._changed.wait_for(lambda: self._caught_up and self._next >= end, left):
                trouble = self.trouble or f"they are at offset {self._next} of {end}"
                raise NamesUnknown(f"the names of borrowers were not read to their end: {trouble}")
        self._nameless.update(
            user for user in users if is_token(user) and self.directory.user_of(user) is None
        )

    def user_of(self, user: str) -> str | None:
        """The name of a borrower of events or rows; None once it was forgotten."""
        name = self.directory.user_of(user) if self.exists else user
        # Only tokens have names: to look at the form of each would cost as much as to name it
        return user if name is None and not is_token(user) else name

    def token_of(self, user_id: str) -> str | None:
        """The borrower with this name, as events and rows have it; None: there is none."""
        return self.directory.token_of(user_id) if self.exists else user_id

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._find_topic():
                    self._follow()
                else:
                    self._recheck.wait(CHECK_INTERVAL_S)
                    self._recheck.clear()
            except KafkaException as error:
                self._report(why(self._settings, error))
                self._stop.wait(_RETRY_INTERVAL_S)
            except Exception as error:  # noqa: BLE001
                # The thread must not end: the view would forget nobody. A traceback may name somebody
                self._report(f"following the names failed: {type(error).__name__}")
                self._stop.wait(_RETRY_INTERVAL_S)

    def _find_topic(self) -> bool:
        """Whether there is a topic to follow. Raises KafkaException."""
        if not has_names(self._admin, self._settings, REQUEST_TIMEOUT_S):
            if self._topic_id:
                self._begin("")
            self.exists, self.trouble = False, None
            return False
        topics = TopicCollection([self._topic])
        described = self._admin.describe_topics(topics, request_timeout=REQUEST_TIMEOUT_S)
        topic_id = str(described[self._topic].result().topic_id)
        if topic_id != self._topic_id:
            self._begin(topic_id)
        return True

    def _begin(self, topic_id: str) -> None:
        """Forget everything: the topic is another one."""
        self._caught_up, self._first_end, self._next, self._topic_id = False, None, 0, topic_id
        self.directory, self.logged, self._nameless = directory_of(self._only), {}, set()

    def _follow(self) -> None:
        """Read until stopped, or until the topic is another one. Raises KafkaException."""
        self.exists, followed = True, self._topic_id
        consumer = Consumer(reading_config(self._settings) | {"auto.offset.reset": "earliest"})
        try:
            consumer.assign([TopicPartition(self._topic, 0, self._next)])
            check_at = time.monotonic() + CHECK_INTERVAL_S
            while not self._stop.is_set():
                self._read(consumer)
                if self.logged and self._caught_up and time.monotonic() > self._rescan_at:
                    threading.Thread(target=self._rescan, name="names-log", daemon=True).start()
                    self._rescan_at = time.monotonic() + RESCAN_INTERVAL_S
                if time.monotonic() > check_at:
                    if not self._find_topic() or self._topic_id != followed:
                        return
                    self.trouble, check_at = None, time.monotonic() + CHECK_INTERVAL_S
        finally:
            consumer.close()

    def _read(self, consumer: Consumer) -> None:
        # consume(n, t) waits the whole t unless it gets n: take one, then those that are there
        messages = consumer.consume(1, _POLL_S)
        messages += consumer.consume(_BATCH_RECORDS, 0) if messages else []
        following, at_end = self._next, False
        if messages and not self._caught_up and self._first_end is None:
            self._first_end = known_end(consumer, self._topic, 0)
        for message in messages:
            if (error := message.error()) is None:
                offset = message.offset() or 0
                self._take(message.key(), message.value(), offset, message.timestamp()[1])
                following = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                following, at_end = max(following, message.offset() or 0), True
            elif error.code() not in TRANSIENT:
                raise KafkaException(error)
        # While borrowers are registered all the time, Kafka reports no end
        at_end |= self._first_end is not None and following >= self._first_end
        if messages:
            with self._changed:
                self._next, self._caught_up = following, self._caught_up or at_end
                self._changed.notify_all()

    def _take(self, key: bytes | None, value: bytes | None, offset: int, at: int) -> None:
        token = (key or b"").partition(b"!")[0].decode("ascii", "replace")
        named = self.directory.user_of(token) is not None
        try:
            self.directory.take(key, value, offset, at)
        except Undecodable as error:
            # Without the message, which may quote the value
            log.error("record %d of %s can't be read (%s)", offset, self._topic, type(error).__name__)
            return
        if named and self.directory.user_of(token) is None:
            self.logged[token] = at

    def _rescan(self) -> None:
        """Drop the names that are not in the log any more from ``logged``."""
        if not self._rescanning.acquire(blocking=False):
            return
        try:
            began, wanted, logged = time.monotonic(), dict(self.logged), self.logged
            keys = {name_key(token) for token in wanted}
            # Up to here each wanted name is erased: a value is an old one
            found = {
                (message.key() or b"").decode()
                for message in read_partition(self._settings, self._topic, 0, end=self._next)
                if message.key() in keys and message.value() is not None
            }
            for token in wanted.keys() - found:
                logged.pop(token, None)
            took_s = time.monotonic() - began
            self._rescan_at = time.monotonic() + max(RESCAN_INTERVAL_S, took_s / _RESCAN_SHARE)
        except (KafkaException, KafkaUnavailable) as error:
            log.warning("the log of names can't be read again: %s", why(self._settings, error))
        finally:
            self._rescanning.release()

    def _report(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("the names of borrowers can't be followed: %s", trouble)
        self.trouble = trouble
