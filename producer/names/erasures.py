"""Ends erasures that wait for a return, and lets Kafka remove the names that were erased."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from eventstore.append.deadline import Deadline
from eventstore.append.owner import now_ms
from eventstore.errors import ClaimLost
from foundation.kafka_clients import KafkaUnavailable, client_config
from foundation.settings import Settings
from inventory.patrons import PatronState
from producer.names.forgetting import finish
from producer.names.names import Change, Names
from schemas.directory import Directory
from schemas.patrons import ABANDONED_AFTER_S, ROLL_KEY
from schemas.topics import names_topic

CHECK_INTERVAL_S = 5.0
"""Between two looks at the names without a return."""
RETRY_INTERVAL_S = 3600.0
"""After which an erasure is looked at again without a return: a gateway may have been killed after one."""
DEADLINE_S = 600.0
"""Of one erasure: the whole event store is read."""

log = logging.getLogger(__name__)


def is_rolled(directory: Directory, segment_ms: int) -> bool:
    """Whether Kafka has closed the segment with the last tombstone: its cleaner can remove the name.

    Kafka looks for that only when a record is appended, by the records' times.
    """
    return not directory.erased_at or directory.last_at > directory.erased_at + segment_ms


def roll(names: Names, segment_ms: int, deadline_s: float, clock: Callable[[], int] = now_ms) -> None:
    """Append the record that an idle topic needs for that, once its time has come."""

    def decide(directory: Directory, at: int) -> tuple[Change, None]:
        due = not is_rolled(directory, segment_ms) and at > directory.erased_at + segment_ms
        return ([(ROLL_KEY, b"")] if due else ()), None

    directory = names.directory
    if not is_rolled(directory, segment_ms) and clock() > directory.erased_at + segment_ms:
        trouble = names.change(decide, deadline_s)
        if trouble is not None:
            log.debug("the names can't be rolled: %s", trouble.reason)


def segment_ms(settings: Settings, timeout: float = 5.0) -> int:
    """The age at which Kafka closes a segment of the names. Raises KafkaException."""
    resource = ConfigResource(ResourceType.TOPIC, names_topic(settings))
    admin = AdminClient(client_config(settings))
    entries = admin.describe_configs([resource], request_timeout=timeout)[resource].result()
    return min(int(entries[name].value or 0) for name in ("segment.ms", "max.compaction.lag.ms"))


class Erasures:
    """A thread of a gateway. What it can't do now it does later: it never fails."""

    def __init__(self, names: Names, interval_s: float = CHECK_INTERVAL_S) -> None:
        self._names, self._interval_s = names, interval_s
        self._returned: SimpleQueue[str | None] = SimpleQueue()
        self._segment_ms = 0
        self._retry_at = 0.0
        self._tried: dict[str, object] = {}
        """Erasures that waited for a return when they were last looked at."""
        self._reported: dict[str, object] = {}
        """Erasures without an end that were reported."""
        self._thread = threading.Thread(target=self._run, name="erasures", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def returned(self, token: str) -> None:
        """A loan of the borrower was closed; an empty token: of any one."""
        self._returned.put(token)

    def stop(self, timeout_s: float) -> None:
        """End the thread, after the erasure that it is at."""
        self._returned.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        ended = False
        while not ended:
            try:
                self._work()
            except (ClaimLost, KafkaException, KafkaUnavailable) as error:
                log.debug("erasures wait: %s", error)
            except Exception:
                log.exception("an erasure failed; it is tried again")
            with suppress(Empty):
                token = self._returned.get(timeout=self._interval_s)
                ended = token is None
                if token:
                    self._tried.pop(token, None)
                else:
                    self._tried.clear()

    def _work(self) -> None:
        names = self._names
        if time.monotonic() > self._retry_at:
            self._retry_at = time.monotonic() + RETRY_INTERVAL_S
            self._tried.clear()
        names.refresh(Deadline(self._interval_s))
        self._report_abandoned()
        for token, closing in list(names.directory.closing.items()):
            # Others are ended by the command that began them
            if closing.when_returned and self._tried.get(token) != closing:
                done = finish(names, token, DEADLINE_S)
                if isinstance(done, PatronState):
                    self._tried[token] = closing
                    if done.state == "forgotten":
                        log.info("the borrower %s was forgotten after the last return", token)
        self._segment_ms = self._segment_ms or segment_ms(names.settings)
        roll(names, self._segment_ms, self._interval_s)

    def _report_abandoned(self) -> None:
        """Report each erasure once that nobody ends: at the start of a gateway all of them."""
        now = now_ms()
        for token, closing in list(self._names.directory.closing.items()):
            age_s = (now - closing.since_ms) / 1000
            if closing.when_returned or age_s < ABANDONED_AFTER_S or self._reported.get(token) == closing:
                continue
            self._reported[token] = closing
            log.warning(
                "the borrower %s has been closing for %d s and gets no loan: the command that forgets it was "
                "ended. `library patron forget USER` completes it, `library patron keep USER` takes it back; "
                "`library patron show %s` has the name",
                token,
                age_s,
                token,
            )
