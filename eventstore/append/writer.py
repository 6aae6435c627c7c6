"""Conditional append: commands decided on exactly the state that their events are appended to.

Kafka checks no expected version when it appends. What it does check is who may commit: of all producers
that claim one transactional id, only the last. Each partition of the event store has such an id, its
fence, and a writer works in these steps:

1. **Claim** the fence. Earlier owners can't commit any more, and what they left open is aborted.
2. **Read** the partition to its end into the write state. Committed and uncommitted end must be equal.
3. **Decide** each command on that state and on what was decided before it in the same batch; but look its
   id up first, for a command that was accepted already is not decided again.
4. **Append** all events in one transaction. They must be delivered at exactly the offsets that follow
   what was read. **Commit**, and only then answer, refusals included.
5. Where nothing is to be appended, a commit would prove nothing (Kafka never sees an empty transaction).
   So **prove** refusals in another way: nothing may have been written since the read.
6. On **any** error drop the producer, and begin again at 1: the log says what became of the last attempt.

Why a committed decision is right. Kafka accepts a commit only from the fence's last claimant. So between
our claim and our commit nobody else has committed through the fence, and what was committed before the
claim was there to be read in step 2, with nothing in flight: the claim has ended every earlier transaction,
and a transaction that does not belong to the fence would show as two different ends. What the read returned
is complete because the delivered offsets say so: they come from the leader that took the records, so had
the read missed an event, which happens when a broker that was frozen thaws and answers as if it still led
the partition, there would be a gap between the last offset read and the first one delivered. So the state
that was decided on is the state that was appended to: compare-and-append.

Why an answer is given once. A transaction is in the log whole or not at all, and each event carries its
command's id and digest. An attempt whose commit is uncertain is never guessed about: after the next claim
it can't change any more, and the read tells. Repeats find the id there, for ever, and get the first answer.

Why a refusal is right. It changes nothing, but it must hold at some moment during the call: in a batch with
events the commit proves it as above; alone, the log's end does (one broker, whose answers can't be old), or
a probe record that is delivered at the exact next offset and aborted (several brokers).

``docs/protocol.md`` has the picture, the errors, and what is not claimed.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from zoneinfo import ZoneInfo

from eventstore.append.batch import Decided, decide_batch
from eventstore.append.catch_up import CatchUp, OpenTransaction
from eventstore.append.deadline import Deadline
from eventstore.append.fence import Fence, Record
from eventstore.errors import ClaimLost, OtherLog, StateLost
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Receipt, Submitted, Unwritable
from eventstore.state.snapshot import Snapshot
from eventstore.state.write_state import WriteState
from foundation.settings import Settings
from inventory.loans import due_at

PROBE_KEY = b"!probe"
"""Of a record that is always aborted: no reader of committed records ever sees it."""
TURN = 0.02
"""Seconds that a writer leaves to the one that fenced it, which is enough to claim, read and commit."""
LONGEST_PAUSE = 0.5
WRITING, RESTING, CLOSING = 50_000, 20_000, 500
"""Titles or answers held in memory that make it worthwhile to save the snapshot, at such a moment."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


def now_ms() -> int:
    """The machine's clock in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def _nothing(_: str) -> None:
    pass


class Writer:
    """Writes one partition. Not for several threads at once; any number of processes may have one each.

    ``reached`` is called with the name of each step that was passed: claimed, read, decided, delivered,
    committed. With a ``snapshot`` memory stays flat and a start is quick; without one all is read. A
    ``fence`` may be given connected.
    """

    def __init__(
        self,
        settings: Settings,
        partition: int,
        snapshot: Snapshot | None = None,
        *,
        fence: Fence | None = None,
        clock: Callable[[], int] = now_ms,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        self.settings, self.partition = settings, partition
        self._snapshot, self._clock, self._reached = snapshot, clock, reached
        self._zone = ZoneInfo(settings.timezone)
        self.fence = fence or Fence(settings, partition)
        self.catch_up = CatchUp(settings, partition)
        self.state: WriteState | None = None
        self._in_doubt = False

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        """Decide the commands in order and append all their events in one transaction, or none of them.

        One outcome for each command, in order, after about ``deadline_s`` seconds at most.
        """
        tried: set[str] = set()

        done = self._until_done(lambda deadline: self._attempt(submitted, tried, deadline), deadline_s)
        return done if isinstance(done, list) else [done] * len(submitted)

    def look_up(self, command_id: str, deadline_s: float) -> list[Receipt] | Unwritable | OutcomeUnknown:
        """Receipts of accepted commands with this id, one for each title of the partition that had it.

        None: no such command was accepted, and no attempt that was begun before now can be any more.
        """

        def attempt(deadline: Deadline) -> list[Receipt]:
            answers = self._known().answers(command_id)
            if not answers:
                self._prove(deadline)
            return [answer.receipt(command_id, self.partition) for answer in answers]

        return self._until_done(attempt, deadline_s)

    def breathe(self) -> None:
        """Wait until Kafka is ready for the next transaction, as ``execute`` does with commands in hand."""
        self.fence.breathe()

    def rest(self) -> None:
        """Do what can wait until the answers are out: keep the snapshot near. Call it after answering."""
        if self._snapshot is not None and self.state is not None:
            self._snapshot.settle(self.state)
            if self.state.unsaved >= RESTING:
                self._snapshot.save_behind(self.state)

    def close(self) -> None:
        """Give the partition up; another writer takes it without waiting."""
        self._save(CLOSING)
        if self._snapshot is not None:
            self._snapshot.close()
        self.fence.lose()
        self.catch_up.log.forget()

    def _until_done(self, work: Callable[[Deadline], T], seconds: float) -> T | Unwritable | OutcomeUnknown:
        deadline, losses = Deadline(seconds), 0
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
                losses += 1
                # The one that took over gets its turn, then a fight is settled by chance
                least = TURN if lost.taken_over else 0.0
                pause = min(LONGEST_PAUSE, random.uniform(least, 2 * TURN * 2 ** min(losses - 1, 8)))
                if lost.hopeless_after < deadline.spent or deadline.passes_within(pause):
                    return OutcomeUnknown(str(lost), sent=self._in_doubt)
                self._wait(pause, deadline)

    def _own(self, deadline: Deadline) -> None:
        if self.fence.claimed:
            return
        self.fence.prepare(deadline)
        if self.state is None:
            self.state = WriteState() if self._snapshot is None else self._snapshot.load()
            # Without the fence at first, which is then held only for what was written meanwhile
            self.catch_up.advance(self.state, deadline, self._save_much)
        self.fence.claim(deadline)
        self._reached("claimed")
        self._read(self.state, deadline)
        self._in_doubt = False
        self._reached("read")

    def _read(self, state: WriteState, deadline: Deadline) -> None:
        self.catch_up.to_the_end(state, deadline, self._save_much)

    def _attempt(self, submitted: Sequence[Submitted], tried: set[str], deadline: Deadline) -> list[Outcome]:
        state = self._known()
        at = max(self._clock(), state.time)
        due = due_at(at, self.settings.loan_days, self._zone)
        decided = decide_batch(state, self.partition, submitted, at, due, tried)
        self._reached("decided")
        if decided.records:
            self._append(state, decided, tried, deadline)
        elif decided.proof:
            self._prove(deadline)
        return decided.outcomes

    def _append(self, state: WriteState, decided: Decided, tried: set[str], deadline: Deadline) -> None:
        assert decided.last is not None
        self._deliver(state, decided.records, deadline)
        self._reached("delivered")
        tried.update(decided.answers)
        self._in_doubt = True
        self.fence.commit(deadline)
        self._reached("committed")
        self._in_doubt = False
        state.keep(decided.titles, decided.answers, decided.last)
        self._save(WRITING)

    def _deliver(self, state: WriteState, records: Sequence[Record], deadline: Deadline) -> None:
        offsets = self.fence.deliver(records, deadline)
        if offsets != list(range(state.next, state.next + len(records))):
            raise ClaimLost(
                f"delivered at offset {offsets[0]}, not {state.next}: the log was not read to its end"
            )

    def _prove(self, deadline: Deadline) -> None:
        """Show that nothing was written since the state was read. Raises ClaimLost."""
        state = self._known()
        if not self.fence.replicated:
            if not self.catch_up.unchanged(state, deadline):
                raise ClaimLost("something was written since the log was read")
            return
        # The broker that answers may be a leader of yesterday; the one that takes a record is today's
        self._deliver(state, [Record(PROBE_KEY, b"", max(self._clock(), state.time), [])], deadline)
        self.fence.abort(deadline)
        state.next += 2

    def _start_over(self, lost: ClaimLost) -> None:
        _log.info("partition %d: %s", self.partition, lost)
        self.fence.lose()
        if not lost.taken_over:
            self.catch_up.log.forget()
        if isinstance(lost, StateLost):
            self.state = None
        if isinstance(lost, OtherLog) and self._snapshot is not None:
            self._snapshot.discard()

    def _wait(self, pause: float, deadline: Deadline) -> None:
        end = time.monotonic() + pause
        # Where even that fails, the next claim meets the same and says so
        with suppress(ClaimLost):
            self.fence.prepare(deadline)
        time.sleep(max(0.0, end - time.monotonic()))

    def _known(self) -> WriteState:
        if self.state is None:
            raise StateLost("nothing is known of the partition yet")
        return self.state

    def _save_much(self) -> None:
        self._save(WRITING)

    def _save(self, worthwhile: int) -> None:
        state = self.state
        if self._snapshot is not None and state is not None and state.unsaved >= worthwhile:
            self._snapshot.settle(state, wait=True)
            self._snapshot.save(state)
