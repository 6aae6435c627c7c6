"""Audits without end: the table that counts, round after round, through every trouble of Kafka."""

import logging
import time
from pathlib import Path
from threading import Event

from confluent_kafka import KafkaException

from audit.groups import Groups
from audit.report import Report, Stall
from audit.session import Session, Subject, subject_of
from audit.stalls import Key, Stalls
from eventstore.positions import format_positions
from eventstore.subscription import OffsetsGone
from eventstore.topics import WrongTopic
from foundation.kafka_clients import KafkaUnavailable, why
from foundation.settings import Settings
from schemas.topics import audit_group

log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 10.0
"""Between two looks at the topics, the table that counts, and the groups."""
RETRY_INTERVAL_S = 2.0
TROUBLES = (KafkaException, KafkaUnavailable, WrongTopic, OffsetsGone)


class Auditor:
    """Audits until it is stopped; ``report`` is its state, which other threads may read."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._group = audit_group(settings)
        self._groups, self._stalls = Groups(settings, {self._group}), Stalls()
        self._stalled: dict[Key, float] = {}
        self._compared_before = self._found_before = 0
        self._started_at = time.time()
        self._looked_at = float("-inf")
        self._trouble = ""
        self.report = Report(period_seconds=settings.audit_period)

    def run(self, stop: Event) -> None:
        """Audit until ``stop`` is set. Raises sqlite3.Error and OSError for a disk that can't be used."""
        while not stop.is_set():
            try:
                subject = subject_of(self._settings)
                with Session(self._settings, subject, self._folder, self._group) as session:
                    try:
                        self._audit(session, stop)
                    finally:
                        self._compared_before += sum(one.compared for one in session.partitions.values())
                        self._found_before += sum(one.found for one in session.partitions.values())
            except TROUBLES as error:
                self._note(why(self._settings, error))
                self.report = Report(
                    trouble=self._trouble,
                    at=int(time.time() * 1000),
                    period_seconds=self._settings.audit_period,
                    rows_compared=self._compared_before,
                    differences_found=self._found_before,
                    oldest_seconds={
                        p: time.time() - self._started_at for p in range(self._settings.partitions)
                    },
                )
                stop.wait(RETRY_INTERVAL_S)

    def _audit(self, session: Session, stop: Event) -> None:
        """Audit until ``stop`` is set, or the event store is another one."""
        self._looked_at = time.monotonic()
        self._note("")
        log.info("the changelog of %s is compared", session.subject.table.group_id(self._settings))
        while not stop.is_set():
            session.step()
            session.start_rounds(self._settings.audit_period)
            if time.monotonic() - self._looked_at > LOOK_INTERVAL_S:
                if not self._look(session):
                    log.warning("the event store was made anew: the audit begins again")
                    return
                self._looked_at = time.monotonic()
            self.report = self._state(session)

    def _look(self, session: Session) -> bool:
        """Look at what a session does not read; False if the event store is another one."""
        try:
            subject = subject_of(self._settings)
            if subject.identity.source != session.subject.identity.source:
                return False
            if subject != session.subject:
                self._follow(session, subject)
            projector = subject.table.group_id(self._settings)
            committed = self._groups.committed(projector)
            # Also where it has committed nothing
            committed[projector] = dict.fromkeys(session.partitions, 0) | committed.get(projector, {})
            self._stalled = self._stalls.update(committed, session.last_events, time.monotonic())
            self._note(_other_source(session))
        except TROUBLES as error:
            if isinstance(error, OffsetsGone):
                raise
            self._note(why(self._settings, error))
        return True

    def _follow(self, session: Session, subject: Subject) -> None:
        log.info("the changelog of %s is compared from here on", subject.table.group_id(self._settings))
        session.follow_table(subject)

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble

    def _state(self, session: Session) -> Report:
        now, partitions = time.time(), session.partitions
        return Report(
            ready=True,
            trouble=self._trouble,
            at=int(now * 1000),
            period_seconds=self._settings.audit_period,
            group=session.subject.table.group_id(self._settings),
            position=format_positions({number: one.folded - 1 for number, one in partitions.items()}),
            rows_compared=self._compared_before + sum(one.compared for one in partitions.values()),
            differences=sum(one.differing for one in partitions.values()),
            differences_found=self._found_before + sum(one.found for one in partitions.values()),
            oldest_seconds={
                number: max(0.0, now - (one.oldest() or self._started_at))
                for number, one in partitions.items()
            },
            stalls=[Stall(group, p, seconds) for (group, p), seconds in sorted(self._stalled.items())],
            details=session.details(),
        )


def _other_source(session: Session) -> str:
    for partition in session.partitions.values():
        if partition.at_end and (other := partition.other_source):
            return (
                f"partition {partition.number} of the table was made from another event store, {other}: "
                "delete the changelog topic, `library topics create`, and start the projector"
            )
    return ""
