"""Conditional append: commands are decided on exactly the state that their events are appended to.

Kafka checks no expected version. It does check who may commit: of all producers that claim one transactional
id, only the last. Each partition of the event store has such an id, its fence. A writer claims the fence,
reads the partition to its end, decides, appends at exactly the next offsets, commits, and only then answers.
On any error it starts over from the claim. ``docs/protocol.md`` has the steps and why they are right.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Message

from eventstore.append.batch import Decided, decide_batch
from eventstore.append.boundary import Boundary
from eventstore.append.deadline import Deadline, always
from eventstore.append.fence import Fence
from eventstore.append.owner import PROBE_KEY as PROBE_KEY
from eventstore.append.owner import Owner, ignore
from eventstore.append.owner import now_ms as now_ms
from eventstore.append.signing import RecordSigner
from eventstore.decider import Decider
from eventstore.errors import ClaimLost, OtherLog, WrongStore, tried
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from eventstore.state.snapshot import Snapshot
from eventstore.state.write_state import WriteState
from evidence.leaf import NO_EVENT, message_hash
from foundation.settings import Settings

TOPIC_CHECK_INTERVAL_S = 5.0
"""A writer notices within this time that somebody has added partitions."""
TOPIC_CHECK_TIMEOUT_S = 1.0
SAVE_WRITING_ENTRIES = 50_000
"""Unsaved entries that make a save worthwhile while commands arrive."""
SAVE_IDLE_ENTRIES = 20_000
"""The same while the writer is idle."""
SAVE_CLOSING_ENTRIES = 500
"""The same when the writer closes."""

_log = logging.getLogger(__name__)


class Writer(Owner[WriteState]):
    """Writes one partition. Not thread-safe; any number of processes may have one each.

    ``reached`` is called with the name of each step that has been passed: claimed, read, decided, delivered,
    committed. A ``snapshot`` keeps memory flat and a start quick; without one the whole log is read. A
    ``fence`` may be given connected. A ``boundary`` translates commands before they are decided. A ``signer``
    signs each transaction.
    """

    def __init__(
        self,
        settings: Settings,
        partition: int,
        decider: Decider[Any, Any, Any],
        snapshot: Snapshot | None = None,
        *,
        fence: Fence | None = None,
        clock: Callable[[], int] = now_ms,
        reached: Callable[[str], None] = ignore,
        boundary: Boundary | None = None,
        signer: RecordSigner | None = None,
    ) -> None:
        super().__init__(settings, partition, fence=fence, clock=clock, reached=reached)
        self._decider, self._snapshot, self._boundary = decider, snapshot, boundary
        self._signer, self._last_leaf = signer, NO_EVENT
        if signer is not None:
            self.catch_up.observe = self._note_last
        self._check_topic_at = time.monotonic() + TOPIC_CHECK_INTERVAL_S
        self.transaction_s: float | None = None
        """How long Kafka took for the transaction of the last ``execute``; None if it committed none."""

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        """Decide the commands in order and append all their events in one transaction, or none of them.

        Returns one outcome for each command, in order, after about ``deadline_s`` seconds at most.
        """
        self.transaction_s = None
        tried: set[str] = set()
        done = self._until_done(lambda deadline: self._attempt(submitted, tried, deadline), deadline_s)
        return done if isinstance(done, list) else [done] * len(submitted)

    def look_up(self, command_id: str, deadline_s: float) -> list[Receipt] | Unwritable | OutcomeUnknown:
        """Receipts of accepted commands with this id, one for each stream of the partition that had it.

        An empty list: no such command was accepted, and no attempt that began before now can be any more.
        """

        def attempt(deadline: Deadline) -> list[Receipt]:
            accepted = self._current_state().accepted(command_id)
            if not accepted:
                self._prove_claim(deadline)
            return [command.receipt(command_id, self.partition) for command in accepted]

        return self._until_done(attempt, deadline_s)

    def follow(self, deadline_s: float, urgent: Callable[[], bool] = always) -> None:
        """Give the claim up, and read what others have written: a later claim then has to read little.

        Where that can't be read within ``deadline_s`` seconds, which count as in ``check``, the next call or
        claim continues.
        """
        self.fence.lose()
        self._near_end = False
        near = tried(lambda: self._come_near(Deadline(deadline_s, urgent)))
        if isinstance(near, ClaimLost):
            self._start_over(near)
        # What was read here is not read for the next claim
        self._read_from = None

    def rest(self) -> OutcomeUnknown | None:
        """Do deferred work: save the snapshot, check the topic. Call it after the answers are sent.

        Returns the reason if the topic's number of partitions has changed: then nothing can be written.
        """
        if self._snapshot is not None and self.state is not None:
            self._snapshot.settle(self.state)
            if self.state.unsaved >= SAVE_IDLE_ENTRIES:
                self._snapshot.save_in_background(self.state)
            self._snapshot.learn_in_background()
        if time.monotonic() < self._check_topic_at:
            return None
        self._check_topic_at = time.monotonic() + TOPIC_CHECK_INTERVAL_S
        checked = tried(lambda: self.fence.check_topic(Deadline(TOPIC_CHECK_TIMEOUT_S)))
        if isinstance(checked, WrongStore):
            self._start_over(checked)
            return OutcomeUnknown(str(checked), sent=False)
        if checked is not None:
            # Kafka does not answer: the next command meets that, too
            _log.debug("partition %d: %s", self.partition, checked)
        return None

    def close(self) -> None:
        """Give the partition up. Another writer can take it without waiting."""
        self._save(SAVE_CLOSING_ENTRIES)
        if self._snapshot is not None:
            self._snapshot.close()
        super().close()

    def _attempt(self, submitted: Sequence[Submitted], tried: set[str], deadline: Deadline) -> list[Outcome]:
        state = self._current_state()
        inner, decided = self._decide(state, submitted, tried, deadline)
        self.reached("decided")
        if decided.records:
            self._append(state, decided, tried, deadline)
        elif decided.needs_proof and any(one.expires_at_ms is not None for one in submitted):
            # Another writer may have decided it before it expired, and not have delivered it yet
            self._prove_claim(deadline)
        elif decided.needs_proof:
            self._prove(deadline)
        return decided.outcomes if self._boundary is None else self._boundary.outward(inner, decided.outcomes)

    def _decide(
        self, state: WriteState, submitted: Sequence[Submitted], tried: set[str], deadline: Deadline
    ) -> tuple[Sequence[Submitted], Decided]:
        """The commands as they were decided, and the result."""
        while True:
            inner = submitted if self._boundary is None else self._boundary.inward(submitted, deadline)
            # The clock is read at each attempt, after its claim: whoever decides an expired command later has
            # a later claim, and Kafka then refuses this attempt
            signing = None if self._signer is None else (self._signer, self._last_leaf)
            decided = decide_batch(self._decider, state, self.partition, inner, self._clock(), tried, signing)
            if self._boundary is None or self._boundary.settled(inner, decided.outcomes, deadline):
                return inner, decided

    def _append(self, state: WriteState, decided: Decided, tried: set[str], deadline: Deadline) -> None:
        assert decided.last is not None
        begun = time.monotonic()
        self._deliver(state, decided.records, deadline)
        self.reached("delivered")
        tried.update(decided.accepted)
        self._in_doubt = True
        self.fence.commit(deadline)
        self.transaction_s = time.monotonic() - begun
        self.reached("committed")
        self._in_doubt = False
        state.keep(decided.streams, decided.accepted, decided.last)
        self._last_leaf = decided.last_leaf
        self._save(SAVE_WRITING_ENTRIES)

    def _note_last(self, message: Message) -> None:
        self._last_leaf = message_hash(message)

    def _load(self) -> WriteState:
        self._last_leaf = NO_EVENT
        return WriteState(self._decider) if self._snapshot is None else self._snapshot.load()

    def _while_reading(self) -> None:
        self._save(SAVE_WRITING_ENTRIES)

    def _came_near(self, deadline: Deadline) -> None:
        self._save(SAVE_IDLE_ENTRIES)
        self._before_reading(deadline)

    def _before_reading(self, deadline: Deadline) -> None:
        if self._boundary is not None:
            self._boundary.refresh(deadline)

    def _start_over(self, lost: ClaimLost) -> None:
        super()._start_over(lost)
        if isinstance(lost, OtherLog) and self._snapshot is not None:
            self._snapshot.discard()

    def _save(self, worthwhile_entries: int) -> None:
        state = self.state
        if self._snapshot is not None and state is not None and state.unsaved >= worthwhile_entries:
            self._snapshot.settle(state, wait=True)
            self._snapshot.save(state)
