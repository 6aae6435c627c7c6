"""Owns one partition: claims its fence, reads it to its end, and starts over after any error.

All conditional appends are made this way, whatever is decided: ``docs/protocol.md`` has the steps and why
they are right.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from eventstore.append.catch_up import CatchUp, Followed, OpenTransaction
from eventstore.append.deadline import Deadline, always
from eventstore.append.fence import Fence, Record
from eventstore.errors import ClaimLost, EventsLost, OtherLog, StateLost, WrongStore, tried
from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from eventstore.topics import AddedPartitions, check_placement
from foundation.settings import Settings

PROBE_KEY = b"!probe"
"""Key of a record that is always aborted: no reader of committed records ever sees it."""
YIELD_S = 0.02
"""A writer that was fenced yields for this long: enough for the other to claim, read and commit."""
MAX_BACKOFF_S = 0.5

S = TypeVar("S", bound=Followed)
T = TypeVar("T")

_log = logging.getLogger(__name__)


def now_ms() -> int:
    """The machine's clock in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def ignore(_: str) -> None:
    """No step is observed."""


class Owner(Generic[S]):
    """Owns one partition of ``topic`` (by default of the event store). Not thread-safe.

    A subclass says what an empty state is (``_load``), and what is done in a claimed partition
    (``_until_done``). ``reached`` is called with the name of each step that has been passed, ``claimed`` and
    ``read`` among them. A ``fence`` may be given connected.
    """

    def __init__(
        self,
        settings: Settings,
        partition: int,
        topic: str = "",
        *,
        fence: Fence | None = None,
        clock: Callable[[], int] = now_ms,
        reached: Callable[[str], None] = ignore,
    ) -> None:
        self.settings, self.partition = settings, partition
        self._topic, self._clock, self.reached = topic, clock, reached
        self.fence = fence or Fence(settings, partition, topic)
        self.catch_up = CatchUp(settings, partition, topic)
        self.state: S | None = None
        self._near_end = False
        self._read_from: int | None = None
        """Where the reading for the present claim began; a claim may need several attempts."""
        self._in_doubt = False
        self._was_claimed = False
        self._reported_loss = ""

    def _load(self) -> S:
        """The state to begin with, when nothing has been read yet."""
        raise NotImplementedError

    def _while_reading(self) -> None:
        """Called after every batch that was read."""

    def _came_near(self, deadline: Deadline) -> None:
        """Called once most of the log has been read, before the claim. May raise ClaimLost."""

    def _before_reading(self, deadline: Deadline) -> None:
        """Called after each claim, before the rest of the log is read. May raise ClaimLost."""

    def check(
        self, deadline_s: float, urgent: Callable[[], bool] = always
    ) -> Unwritable | OutcomeUnknown | None:
        """Why the partition can't be written at the moment; None if it can.

        Unless it is ``urgent``, reading may take longer than ``deadline_s`` seconds as long as it advances.
        """

        def attempt(deadline: Deadline) -> None:
            self._prove(deadline)

        return self._until_done(attempt, deadline_s, urgent)

    @property
    def read_up_to(self) -> int:
        """The offset up to which the partition has been read."""
        return 0 if self.state is None else self.state.next

    def wait(self) -> None:
        """Wait until Kafka accepts the next transaction, as ``execute`` does with a batch that is closed."""
        self.fence.wait()

    def close(self) -> None:
        """Give the partition up. Another writer can take it without waiting."""
        self.fence.lose()
        self.catch_up.disconnect()

    def _until_done(
        self, work: Callable[[Deadline], T], seconds: float, urgent: Callable[[], bool] = always
    ) -> T | Unwritable | OutcomeUnknown:
        deadline, failures = Deadline(seconds, urgent), 0
        self._in_doubt = False
        while True:
            try:
                result = tried(lambda: self._owned(work, deadline))
            except OpenTransaction as error:
                self.fence.lose()
                return OutcomeUnknown(str(error)) if self._in_doubt else Unwritable(str(error))
            if not isinstance(result, ClaimLost):
                return result
            self._start_over(result)
            failures += 1
            # First yield to the writer that took over; then chance settles the fight
            least = YIELD_S if result.taken_over else 0.0
            backoff = min(MAX_BACKOFF_S, random.uniform(least, 2 * YIELD_S * 2 ** min(failures - 1, 8)))
            if result.hopeless_after < deadline.spent or deadline.passes_within(backoff):
                return OutcomeUnknown(str(result), sent=self._in_doubt)
            self._back_off(backoff, deadline)

    def _owned(self, work: Callable[[Deadline], T], deadline: Deadline) -> T:
        self._own(deadline)
        return work(deadline)

    def _own(self, deadline: Deadline) -> None:
        if self.fence.claimed:
            return
        state = self._come_near(deadline)
        self.fence.claim(deadline)
        self._was_claimed = True
        self.reached("claimed")
        self._before_reading(deadline)
        self._read(state, deadline)
        self._in_doubt = False
        self.reached("read")
        _log.debug(
            "partition %d: claimed at offset %d, after reading %d",
            self.partition,
            state.next,
            state.next - (self._read_from or 0),
        )
        self._read_from = None

    def _come_near(self, deadline: Deadline) -> S:
        """Connect, and read most of the log before the claim, which is then held only for the rest."""
        self.fence.prepare(deadline)
        if self.state is None:
            if not self._topic:
                try:
                    check_placement(self.settings)
                except AddedPartitions as error:
                    raise WrongStore(str(error)) from error
            self.state = self._load()
            self._near_end, self._read_from = False, None
        if self._read_from is None:
            self._read_from = self.state.next
        if not self._near_end:
            self.catch_up.ahead(self.state, deadline, self._while_reading)
            self._came_near(deadline)
            self._near_end = True
        return self.state

    def _read(self, state: S, deadline: Deadline) -> None:
        self.catch_up.to_the_end(state, deadline, self._while_reading)

    def _deliver(self, state: S, records: Sequence[Record], deadline: Deadline) -> None:
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
        _log.log(level, "%s: %s", self._topic or f"partition {self.partition}", lost)
        self.fence.lose()
        if not lost.taken_over:
            self.catch_up.disconnect()
        if isinstance(lost, StateLost):
            self.state = None

    def _back_off(self, seconds: float, deadline: Deadline) -> None:
        end = time.monotonic() + seconds
        # If even that fails, the next claim meets the same error and reports it
        with suppress(ClaimLost):
            self.fence.prepare(deadline)
        time.sleep(max(0.0, end - time.monotonic()))

    def _current_state(self) -> S:
        if self.state is None:
            raise StateLost("the partition has not been read yet")
        return self.state
