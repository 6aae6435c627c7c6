"""Conditional append: commands are decided on exactly the state that their events are appended to.

Kafka checks no expected version. It does check who may commit: of all producers that claim one transactional
id, only the last. Each partition of the event store has such an id, its fence. A writer claims the fence,
reads the partition to its end, decides, appends at exactly the next offsets, commits, and only then answers.
On any error it starts over from the claim. ``docs/protocol.md`` has the steps and why they are right.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from eventstore.append.batch import Decided, decide_batch
from eventstore.append.catch_up import CatchUp, OpenTransaction
from eventstore.append.deadline import Deadline
from eventstore.append.fence import Fence, Record
from eventstore.decider import Decider
from eventstore.errors import ClaimLost, EventsLost, OtherLog, StateLost, WrongStore
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from eventstore.state.snapshot import Snapshot
from eventstore.state.write_state import WriteState
from eventstore.topics import AddedPartitions, check_placement
from foundation.settings import Settings

PROBE_KEY = b"!probe"
"""Key of a record that is always aborted: no reader of committed records ever sees it."""
YIELD_S = 0.02
"""A writer that was fenced yields for this long: enough for the other to claim, read and commit."""
MAX_BACKOFF_S = 0.5
TOPIC_CHECK_INTERVAL_S = 5.0
"""A writer notices within this time that somebody has added partitions."""
TOPIC_CHECK_TIMEOUT_S = 1.0
SAVE_WRITING_ENTRIES = 50_000
"""Unsaved entries that make a save worthwhile while commands arrive."""
SAVE_IDLE_ENTRIES = 20_000
"""The same while the writer is idle."""
SAVE_CLOSING_ENTRIES = 500
"""The same when the writer closes."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


def now_ms() -> int:
    """The machine's clock in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def _ignore(_: str) -> None:
    pass


class Writer:
    """Writes one partition. Not thread-safe; any number of processes may have one each.

    ``reached`` is called with the name of each step that has been passed: claimed, read, decided, delivered,
    committed. A ``snapshot`` keeps memory flat and a start quick; without one the whole log is read. A
    ``fence`` may be given connected.
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
        reached: Callable[[str], None] = _ignore,
    ) -> None:
        self.settings, self.partition = settings, partition
        self._decider, self._snapshot, self._clock, self.reached = decider, snapshot, clock, reached
        self.fence = fence or Fence(settings, partition)
        self.catch_up = CatchUp(settings, partition)
        self.state: WriteState | None = None
        self._near_end = False
        self._in_doubt = False
        self._was_claimed = False
        self._reported_loss = ""
        self._check_topic_at = time.monotonic() + TOPIC_CHECK_INTERVAL_S

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        """Decide the commands in order and append all their events in one transaction, or none of them.

        Returns one outcome for each command, in order, after about ``deadline_s`` seconds at most.
        """
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

    def follow(self, deadline_s: float) -> None:
        """Give the claim up, and read what others have written: a later claim then has to read little.

        Where that can't be read within ``deadline_s`` seconds, the next call or claim continues.
        """
        self.fence.lose()
        self._near_end = False
        try:
            self._come_near(Deadline(deadline_s))
        except ClaimLost as lost:
            self._start_over(lost)

    def check(self, deadline_s: float) -> Unwritable | OutcomeUnknown | None:
        """Why the partition can't be written at the moment; None if it can."""

        def attempt(deadline: Deadline) -> None:
            self._prove(deadline)

        return self._until_done(attempt, deadline_s)

    @property
    def read_up_to(self) -> int:
        """The offset up to which the partition has been read."""
        return 0 if self.state is None else self.state.next

    def wait(self) -> None:
        """Wait until Kafka accepts the next transaction, as ``execute`` does with a batch that is closed."""
        self.fence.wait()

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
        try:
            self.fence.check_topic(Deadline(TOPIC_CHECK_TIMEOUT_S))
        except WrongStore as error:
            self._start_over(error)
            return OutcomeUnknown(str(error), sent=False)
        except ClaimLost as error:
            # Kafka does not answer: the next command meets that, too
            _log.debug("partition %d: %s", self.partition, error)
        return None

    def close(self) -> None:
        """Give the partition up. Another writer can take it without waiting."""
        self._save(SAVE_CLOSING_ENTRIES)
        if self._snapshot is not None:
            self._snapshot.close()
        self.fence.lose()
        self.catch_up.disconnect()

    def _until_done(self, work: Callable[[Deadline], T], seconds: float) -> T | Unwritable | OutcomeUnknown:
        deadline, failures = Deadline(seconds), 0
        self._in_doubt = False
        while True:
            try:
                self._own(deadline)
                return work(deadline)
            except OpenTransaction as error:
                self.fence.lose()
                return OutcomeUnknown(str(error)) if self._in_doubt else Unwritable(str(error))
            except ClaimLost as lost:
                self._start_over(lost)
                failures += 1
                # First yield to the writer that took over; then chance settles the fight
                least = YIELD_S if lost.taken_over else 0.0
                backoff = min(MAX_BACKOFF_S, random.uniform(least, 2 * YIELD_S * 2 ** min(failures - 1, 8)))
                if lost.hopeless_after < deadline.spent or deadline.passes_within(backoff):
                    return OutcomeUnknown(str(lost), sent=self._in_doubt)
                self._back_off(backoff, deadline)

    def _own(self, deadline: Deadline) -> None:
        if self.fence.claimed:
            return
        state, known = self._come_near(deadline)
        self.fence.claim(deadline)
        self._was_claimed = True
        self.reached("claimed")
        self._read(state, deadline)
        self._in_doubt = False
        self.reached("read")
        _log.debug(
            "partition %d: claimed at offset %d, after reading %d",
            self.partition,
            state.next,
            state.next - known,
        )

    def _come_near(self, deadline: Deadline) -> tuple[WriteState, int]:
        """Connect, and read most of the log before the claim, which is then held only for the rest.

        Returns the state, and the offset that it had been read up to before.
        """
        self.fence.prepare(deadline)
        if self.state is None:
            try:
                check_placement(self.settings)
            except AddedPartitions as error:
                raise WrongStore(str(error)) from error
            self.state = WriteState(self._decider) if self._snapshot is None else self._snapshot.load()
            self._near_end = False
        known = self.state.next
        if not self._near_end:
            self.catch_up.ahead(self.state, deadline, self._save_if_large)
            self._near_end = True
            self._save(SAVE_IDLE_ENTRIES)
        return self.state, known

    def _read(self, state: WriteState, deadline: Deadline) -> None:
        self.catch_up.to_the_end(state, deadline, self._save_if_large)

    def _attempt(self, submitted: Sequence[Submitted], tried: set[str], deadline: Deadline) -> list[Outcome]:
        state = self._current_state()
        # The clock is read at each attempt, after its claim: whoever decides an expired command later has a
        # later claim, and Kafka then refuses this attempt
        decided = decide_batch(self._decider, state, self.partition, submitted, self._clock(), tried)
        self.reached("decided")
        if decided.records:
            self._append(state, decided, tried, deadline)
        elif decided.needs_proof and any(one.expires_at_ms is not None for one in submitted):
            # Another writer may have decided it before it expired, and not have delivered it yet
            self._prove_claim(deadline)
        elif decided.needs_proof:
            self._prove(deadline)
        return decided.outcomes

    def _append(self, state: WriteState, decided: Decided, tried: set[str], deadline: Deadline) -> None:
        assert decided.last is not None
        self._deliver(state, decided.records, deadline)
        self.reached("delivered")
        tried.update(decided.accepted)
        self._in_doubt = True
        self.fence.commit(deadline)
        self.reached("committed")
        self._in_doubt = False
        state.keep(decided.streams, decided.accepted, decided.last)
        self._save(SAVE_WRITING_ENTRIES)

    def _deliver(self, state: WriteState, records: Sequence[Record], deadline: Deadline) -> None:
        offsets = self.fence.deliver(records, deadline)
        if offsets != list(range(state.next, state.next + len(records))):
            raise ClaimLost(
                f"delivered at offset {offsets[0]}, not {state.next}: the log was not read to its end"
            )

    def _prove(self, deadline: Deadline) -> None:
        """Show that nothing has been written since the state was read. Raises ClaimLost."""
        if self.fence.replicated:
            # The broker that answers a read may be a former leader; a broker that takes a record leads now
            self._prove_claim(deadline)
        elif not self.catch_up.unchanged(self._current_state(), deadline):
            raise ClaimLost("something was written since the log was read")

    def _prove_claim(self, deadline: Deadline) -> None:
        """Show as well that nobody has claimed the partition since. Raises ClaimLost."""
        state = self._current_state()
        self._deliver(state, [Record(PROBE_KEY, b"", max(self._clock(), state.time), [])], deadline)
        self.fence.abort(deadline)
        state.next += 2

    def _start_over(self, lost: ClaimLost) -> None:
        # The first claims fail until the broker's transaction coordinator has loaded: that is normal
        level = logging.INFO if self._was_claimed else logging.DEBUG
        if isinstance(lost, EventsLost) and str(lost) != self._reported_loss:
            # Once: every later command meets it, too
            level, self._reported_loss = logging.ERROR, str(lost)
        elif isinstance(lost, OtherLog):
            level = logging.WARNING
        _log.log(level, "partition %d: %s", self.partition, lost)
        self.fence.lose()
        if not lost.taken_over:
            self.catch_up.disconnect()
        if isinstance(lost, StateLost):
            self.state = None
        if isinstance(lost, OtherLog) and self._snapshot is not None:
            self._snapshot.discard()

    def _back_off(self, seconds: float, deadline: Deadline) -> None:
        end = time.monotonic() + seconds
        # If even that fails, the next claim meets the same error and reports it
        with suppress(ClaimLost):
            self.fence.prepare(deadline)
        time.sleep(max(0.0, end - time.monotonic()))

    def _current_state(self) -> WriteState:
        if self.state is None:
            raise StateLost("the partition has not been read yet")
        return self.state

    def _save_if_large(self) -> None:
        self._save(SAVE_WRITING_ENTRIES)

    def _save(self, worthwhile_entries: int) -> None:
        state = self.state
        if self._snapshot is not None and state is not None and state.unsaved >= worthwhile_entries:
            self._snapshot.settle(state, wait=True)
            self._snapshot.save(state)
