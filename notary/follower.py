"""Follows the event store, and signs a checkpoint of each partition that has something new."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from confluent_kafka import KafkaException, Message

from eventstore.subscription import OffsetsGone, Subscription
from evidence.checkpoint import Origin
from evidence.note import Signer, Verifier
from evidence.transaction import Place
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from notary.batches import Batches
from notary.event_log import EventLog
from notary.folder import CheckpointFile, bind
from notary.ledger import Ledger
from notary.metrics import Standing
from notary.outlets import CommandOutlet, TopicOutlet
from notary.record import MessageRecord
from notary.refusal import Reason, Refused
from notary.signatures import Signatures
from schemas.checkpoints import notary_group

FETCH_RECORDS = 2_000
"""Few enough to stay in the processor's caches until they are hashed: 10,000 take a tenth longer."""
POLL_S = 0.2

log = logging.getLogger(__name__)


class Follower:
    """Reads all partitions, and signs. The caller has locked ``folder``; all ``signers`` sign each note.

    ``beat`` is called at least every few seconds. With the keys of ``writers``, their signatures are
    examined. Making one raises Refused if the folder belongs to another store or its checkpoints were
    changed, KafkaException, and OSError.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        signers: Sequence[Signer],
        command: CommandOutlet | None,
        beat: Callable[[], None] = lambda: None,
        writers: Sequence[Verifier] = (),
    ) -> None:
        self._settings, self._signers, self._command, self._beat = settings, signers, command, beat
        self._log = EventLog(settings)
        self._store = self._log.store()
        bind(folder, self._store)
        self._file = CheckpointFile(folder)
        self._topic = TopicOutlet(settings)
        self._stop, self._due_at = Event(), 0.0
        self._source = self._subscription(once=True)
        self._newest = self._file.newest([signer.verifier for signer in signers])
        self.standings = {partition: Standing() for partition in range(settings.partitions)}
        self._ledgers: dict[int, Ledger] = {}
        for partition, standing in self.standings.items():
            signed = self._newest.get(self._origin(partition))
            place = Place(partition, settings.partitions)
            signatures = Signatures(place, writers) if writers else None
            self._ledgers[partition] = ledger = Ledger(folder, partition, signatures)
            if signed is not None:
                standing.signed = signed[0].size
                with self._refusing(ledger):
                    ledger.expect(signed[0])
            self._note_unsigned(ledger)

    @property
    def refused(self) -> list[int]:
        """The partitions that are not signed any more."""
        return [partition for partition, standing in self.standings.items() if standing.refused]

    def run(self, stop: Event, once: bool = False, on_ready: Callable[[], None] = lambda: None) -> None:
        """Follow until ``stop``, or with ``once`` up to the end; then sign what is not signed yet.

        ``on_ready`` is called when everything was read for the first time. Raises KafkaUnavailable,
        KafkaException for what Kafka refuses, and OSError.
        """
        self._stop, self._due_at = stop, time.monotonic() + self._settings.notary_interval
        # A process that was killed may not have handed these on
        for origin, (_, note) in self._newest.items():
            self._hand_on(origin, note)
        self._topic.flush()
        try:
            while not stop.is_set() and self._sound():
                self._examine()
                before = len(self.refused)
                self._source = source = self._subscription(once)
                source.open()
                try:
                    self._follow(source, once, on_ready)
                    break
                except OffsetsGone:
                    # The log was cut. If it is long enough again, its last event is compared
                    stop.wait(POLL_S)
                except KafkaException:
                    self._examine()
                    if len(self.refused) == before:
                        raise
                finally:
                    source.close()
            if not once and not stop.is_set():
                on_ready()
            while not (once or stop.wait(POLL_S)):
                self._beat()
        finally:
            self.sign()

    def close(self) -> None:
        """Save what spares the next start reading, and close the files."""
        for ledger in self._ledgers.values():
            ledger.close()
        self._file.close()
        self._topic.close()

    def sign(self) -> None:
        """Sign each partition that has more events than its last checkpoint. Raises OSError.

        Where Kafka can't be asked whether the events are still the same, nothing is signed.
        """
        fresh = [ledger for ledger in self._sound() if ledger.size > ledger.signed_size]
        if not fresh:
            return
        try:
            self._examine()
            self._examine_batches(fresh)
        except (KafkaException, KafkaUnavailable) as error:
            log.warning("nothing is signed at present, Kafka can't be asked: %s", error)
            return
        for ledger in fresh:
            if ledger.refused:
                continue
            origin = self._origin(ledger.partition)
            checkpoint = ledger.checkpoint(origin)
            note = checkpoint.signed(self._signers)
            self._file.append(note)
            ledger.signed_size = checkpoint.size
            standing = self.standings[ledger.partition]
            standing.signed, standing.unsigned_since = checkpoint.size, 0.0
            self._hand_on(origin, note)
            ledger.save_if_large()
            log.info("signed %d events of partition %d", checkpoint.size, ledger.partition)
        self._topic.flush()

    def _follow(self, source: Subscription, once: bool, on_ready: Callable[[], None]) -> None:
        ready = False
        while not self._stop.is_set():
            source.fetch(FETCH_RECORDS, POLL_S)
            self._take(source.take())
            # While there is more to read, the next fetch need not wait for the answer
            source.commit(wait=source.at_end)
            self._beat()
            first_end = not ready and source.caught_up
            for ledger in self._sound():
                with self._refusing(ledger):
                    if source.ended(ledger.partition):
                        ledger.require_signed()
                    elif first_end and ledger.partition in source.next:
                        # Records arrive all the time: the last ones may be a part of a transaction
                        ledger.require_length()
            self._sign_if_due(first_end)
            if first_end:
                ready = True
                on_ready()
                if once:
                    return
            if not self._sound():
                return
            if once and source.silent_s > self._settings.deadline:
                raise KafkaUnavailable(
                    f"Kafka at {self._settings.kafka} was silent for {self._settings.deadline:g} s"
                )

    def _take(self, messages: Iterable[Message]) -> None:
        by_partition = defaultdict[int, list[Message]](list)
        for message in messages:
            by_partition[message.partition() or 0].append(message)
        for partition, some in by_partition.items():
            ledger = self._ledgers[partition]
            self._source.handled({partition: (some[-1].offset() or 0) + 1})
            if ledger.refused:
                continue
            with self._refusing(ledger):
                ledger.take([MessageRecord.of(message) for message in some])
            self._note_unsigned(ledger)

    def _take_backlog(self, ledgers: Iterable[Ledger]) -> None:
        """Take what the partitions have now, batch by batch: in two thirds of the subscription's time.

        What can't be read is left to the subscription, which is patient, and says what is wrong.
        """
        try:
            beginnings, ends = self._log.beginnings(), self._log.committed_ends()
            with self._log.batches(self._beat) as reader:
                for ledger in ledgers:
                    start = max(ledger.begin, beginnings[ledger.partition])
                    with self._refusing(ledger):
                        for batches in reader.read(ledger.partition, start, ends[ledger.partition]):
                            self._take_batches(ledger, batches)
                            if self._stop.is_set():
                                return
        except (KafkaException, KafkaUnavailable) as error:
            log.info("the notary goes on record by record: %s", error)

    def _take_batches(self, ledger: Ledger, batches: Batches) -> None:
        ledger.take(batches.records())
        ledger.note_examined(batches.start, batches.next, batches.outside)
        self._note_unsigned(ledger)
        self._sign_if_due()

    def _sign_if_due(self, now: bool = False) -> None:
        if now or time.monotonic() >= self._due_at:
            self.sign()
            self._due_at = time.monotonic() + self._settings.notary_interval

    def _note_unsigned(self, ledger: Ledger) -> None:
        standing = self.standings[ledger.partition]
        standing.events = ledger.size
        if ledger.size > ledger.signed_size and not standing.unsigned_since:
            standing.unsigned_since = time.monotonic()

    def _examine(self) -> None:
        """Refuse everything if the store is another one, and partitions that lack events. KafkaException."""
        try:
            found = self._log.store()
            if found != self._store:
                raise Refused(
                    Reason.OTHER_STORE,
                    f"the event store is topic {found.topic} of cluster {found.cluster} now, not "
                    f"{self._store.topic} of {self._store.cluster}: it was made anew, or restored",
                )
        except Refused as error:
            for ledger in self._sound():
                self._refuse(ledger, error)
            return
        beginnings, ends = self._log.beginnings(), self._log.ends()
        for ledger in self._sound():
            with self._refusing(ledger):
                ledger.require_span(beginnings[ledger.partition], ends[ledger.partition])

    def _examine_batches(self, ledgers: Iterable[Ledger]) -> None:
        """Refuse partitions with a record outside a transaction."""
        beginnings = self._log.beginnings()
        spans = {
            one.partition: (max(one.examined, beginnings[one.partition]), one.last_offset + 1)
            for one in ledgers
            if not one.refused
        }
        outside = self._log.outside_transactions(spans, self._beat)
        for partition, (_, end) in spans.items():
            ledger = self._ledgers[partition]
            if partition not in outside:
                ledger.examined = end
                continue
            found = (
                f"the record at offset {outside[partition]} of partition {partition} was written outside a "
                "transaction: by no writer of this system"
            )
            self._refuse(ledger, Refused(Reason.NO_TRANSACTION, found))

    @contextmanager
    def _refusing(self, ledger: Ledger) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            self._refuse(ledger, error)

    def _refuse(self, ledger: Ledger, error: Refused) -> None:
        ledger.refused = self.standings[ledger.partition].refused = True
        log.error("partition %d is not signed any more (%s): %s", ledger.partition, error.reason, error)

    def _sound(self) -> list[Ledger]:
        """The partitions that can be signed."""
        return [ledger for ledger in self._ledgers.values() if not ledger.refused]

    def _subscription(self, once: bool) -> Subscription:
        group = notary_group(self._settings)
        # A group without a member between two runs would look like a notary that has stopped: none is joined.
        # But librdkafka asks for a coordinator by name, and the notary's user may ask for this one only
        named = {"group.id": group} if once else None
        return Subscription(self._settings, None if once else group, "earliest", self._begins, named)

    def _begins(self) -> dict[int, int]:
        """Where reading begins in partitions that are assigned now; those that were before go on."""
        new = [one for one in self._ledgers.values() if one.partition not in self._source.next]
        for ledger in new:
            ledger.begin_again()
        self._take_backlog(one for one in new if not one.refused)
        for ledger in new:
            ledger.begin_again()
        # Without an offset reading begins at the first event that there is. Refused partitions are ignored
        return {one.partition: one.begin for one in self._ledgers.values() if one.size and not one.refused}

    def _hand_on(self, origin: str, note: str) -> None:
        self._topic.add(origin, note)
        if self._command is not None:
            self._command.add(origin, note)

    def _origin(self, partition: int) -> str:
        name = self._settings.origin or self._settings.name
        return str(Origin(name, self._store.cluster, self._store.topic, partition))
