"""Brings the write state to the end of its partition, and detects an end that can't be trusted."""

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from confluent_kafka import Message

from eventstore.append.deadline import Deadline
from eventstore.append.fence import TRANSACTION_TIMEOUT_S
from eventstore.append.partition_log import End, Log
from eventstore.errors import ClaimLost, EventsLost, OtherLog
from eventstore.state.write_state import LastEvent, last_event
from foundation.memory import no_collections, return_free_memory
from foundation.settings import Settings

PATIENCE_S = TRANSACTION_TIMEOUT_S + 12.0
"""Kafka looks every 10 s for transactions that have reached their time-out: the transaction of a dead writer
stays open for up to 20 s (18 s were measured). Only one that stays open for longer is a foreign one.
"""
FOREIGN_IS_OPEN = "a foreign transaction is open"
"""The beginning of the reason why a partition can't be written."""
MARKER_DELAY_S = 1.0
"""The marker of an acknowledged transaction may take this long to reach the log."""
LONG_READ_RECORDS = 2_000
"""A read before the claim that has read so many, and holds them in memory, waits for its turn to go on."""

_long_read = threading.Lock()
"""Held during a long read. Python runs one thread at a time, so several long reads would not be faster, but
each would hold its own unsaved entries and fetched records in memory.
"""


class Followed(Protocol):
    """A state that a partition is read into, up to offset ``next`` and the time ``time`` (ms)."""

    next: int
    time: int

    @property
    def last(self) -> LastEvent | None:
        """The record at ``start``, which must be found again."""

    @property
    def start(self) -> int | None:
        """Where reading goes on; None: at the first record."""

    @property
    def unsaved(self) -> int:
        """The number of entries that are held in memory only."""

    def take(self, messages: Sequence[Message]) -> None:
        """Add the next records."""


class _Turn:
    """The turn of one long read; taking it again has no effect."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline, self._mine = deadline, False

    def take(self) -> None:
        """Wait until no other thread reads. Raises ClaimLost at the deadline."""
        self._mine = self._mine or _long_read.acquire(timeout=self._deadline.left(threading.TIMEOUT_MAX))
        if not self._mine:
            raise ClaimLost("other partitions are read first")

    def end(self) -> None:
        """Leave the turn to another thread."""
        if self._mine:
            # Without this a gateway that has read its partitions would keep ten times the needed memory
            return_free_memory()
            _long_read.release()


class OpenTransaction(Exception):
    """A foreign transaction has been open on the partition for longer than a writer's can be."""


class CatchUp:
    """Reads one partition into a write state. It remembers since when an end could not be trusted."""

    def __init__(self, settings: Settings, partition: int, topic: str = "") -> None:
        self.log = Log(settings, partition, topic)
        self._partition = partition
        self._patience_s = PATIENCE_S
        self._doubted: tuple[str, int] = ("", 0)
        self._since = 0.0
        self._reached_end = False
        self._needs_turn = False
        self.observe: Callable[[Message], object] | None = None
        """Called with the last record of every batch that was read, also with one that was read before."""

    def disconnect(self) -> None:
        """Read over a new connection next time. The old one would keep asking a leader that was frozen."""
        self.log.disconnect()

    def advance(self, state: Followed, deadline: Deadline, each: Callable[[], None]) -> End:
        """Add all later committed records to ``state``. ``each`` is called after every batch.

        Reading starts at the last event of the state, which must be found again if the state knows it. Raises
        ClaimLost, OtherLog.
        """
        expected = state.last

        def take(messages: list[Message]) -> None:
            nonlocal expected
            if messages and self.observe is not None:
                self.observe(messages[-1])
            if expected is not None and messages:
                if last_event(messages[0]) != expected:
                    raise OtherLog(
                        f"offset {expected.offset} of partition {self._partition} had another event"
                    )
                expected = None
                del messages[0]
            state.take(messages)
            each()

        with no_collections():
            end = self.log.read(state.start, deadline, take)
        if expected is None:
            state.next = max(state.next, end.stable)
        return end

    def ahead(self, state: Followed, deadline: Deadline, each: Callable[[], None]) -> None:
        """``advance`` before the partition is claimed. Long reads of several partitions take turns.

        Raises ClaimLost if the end or the turn does not come in time; a further call then continues. Raises
        OtherLog.
        """
        turn, begun = _Turn(deadline), state.next

        def each_in_turn() -> None:
            if min(state.next - begun, state.unsaved) >= LONG_READ_RECORDS:
                self._needs_turn = True
            if self._needs_turn:
                turn.take()
            each()
            deadline.progress()

        try:
            # A call that did not get it has read its share
            if self._needs_turn:
                turn.take()
            self.advance(state, deadline, each_in_turn)
            self._needs_turn = False
        finally:
            turn.end()

    def to_the_end(self, state: Followed, deadline: Deadline, each: Callable[[], None]) -> None:
        """Bring ``state`` to the end of a partition that has just been claimed.

        No transaction of a writer can be open then. The last stable offset must equal the high watermark and
        must not lie before the state. Raises ClaimLost otherwise, which happens in passing. Once that has
        lasted for longer than a transaction may: OpenTransaction; EventsLost if this process has seen the
        log reach further; OtherLog if only a snapshot says that it did.
        """
        end = self.advance(state, deadline, each)
        if end.stable < state.next:
            if self._lasts("short", end.stable):
                if self._reached_end:
                    raise EventsLost(
                        f"the log of partition {self._partition} ended at {state.next} and ends before that "
                        "now: events were lost, or the topic was deleted and created again. Restore it from "
                        "a backup; a restart of this process accepts the log as it is"
                    )
                raise OtherLog(f"the log ends at {end.stable}, but a snapshot has it up to {state.next}")
            raise ClaimLost(
                f"the log ends at {end.stable}, before {state.next}: a stale answer, or it has lost its end"
            )
        if end.stable != end.high:
            reason = (
                f"{FOREIGN_IS_OPEN} on partition {self._partition} from offset {end.stable} on: "
                "`library doctor` says whose it is and how to end it"
            )
            if self._lasts("open", end.stable):
                raise OpenTransaction(reason)
            raise ClaimLost(reason)
        self._doubted, self._reached_end = ("", 0), True

    def unchanged(self, state: Followed, deadline: Deadline) -> bool:
        """Whether log and ``state`` end together, uncommitted records included. Raises as ``advance``."""
        known = state.next
        end = self.advance(state, deadline, lambda: None)
        soon = Deadline(MARKER_DELAY_S)
        while end.high < known and not soon.passes_within(0):
            # The marker of our own acknowledged transaction has not reached the log yet
            end = self.advance(state, deadline, lambda: None)
        return end == End(known, known)

    def _lasts(self, what: str, offset: int) -> bool:
        """Whether the same doubt has lasted for longer than a transaction may be open."""
        if self._doubted != (what, offset):
            self._doubted, self._since = (what, offset), monotonic()
        return monotonic() - self._since > self._patience_s
