"""The write state brought to the end of its partition, and what is wrong where that end can't be trusted."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from confluent_kafka import Message

from eventstore.append.deadline import Deadline
from eventstore.append.fence import TRANSACTION_TIMEOUT
from eventstore.append.partition_log import End, Log
from eventstore.errors import ClaimLost, OtherLog
from eventstore.state.write_state import WriteState, last_event
from foundation.settings import Settings

MARKER = 1.0
"""Seconds that the end of an acknowledged transaction may need to get into the log."""


@contextmanager
def _no_collections() -> Iterator[None]:
    """Looking for garbage among so many new objects, which all stay, would double the time of a long read."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class OpenTransaction(Exception):
    """A transaction that is not the writers' has been open on the partition for longer than theirs can be."""


class CatchUp:
    """Reads one partition into a write state, remembering since when an end could not be trusted."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self.log = Log(settings, partition)
        self._partition = partition
        self._patience = TRANSACTION_TIMEOUT
        self._doubted: tuple[str, int] = ("", 0)
        self._since = 0.0

    def advance(self, state: WriteState, deadline: Deadline, each: Callable[[], None]) -> End:
        """Add all committed records that follow to ``state``; ``each`` is called after every batch.

        Reading begins at the last event that is known, which must be there again. Raises ClaimLost, OtherLog.
        """
        expected = state.last

        def take(messages: list[Message]) -> None:
            nonlocal expected
            if expected is not None and messages:
                if last_event(messages[0]) != expected:
                    raise OtherLog(
                        f"offset {expected.offset} of partition {self._partition} had another event"
                    )
                expected = None
                del messages[0]
            state.take(messages)
            each()

        start = state.last.offset if state.last else None
        with _no_collections():
            end = self.log.read(start, deadline, take)
        if expected is None:
            state.next = max(state.next, end.stable)
        return end

    def to_the_end(self, state: WriteState, deadline: Deadline, each: Callable[[], None]) -> None:
        """Bring ``state`` to the end of a partition that was claimed just now.

        No transaction of the writers can be open then, so committed readers and the log must end at the
        same offset, and not before what was read already. Raises ClaimLost where they don't, as happens in
        passing; OpenTransaction and OtherLog when that has lasted for longer than a transaction may.
        """
        end = self.advance(state, deadline, each)
        if end.stable < state.next:
            if self._lasts("short", end.stable):
                raise OtherLog(f"the log ends at {end.stable}, before {state.next}, where it was read to")
            raise ClaimLost(
                f"the log ends at {end.stable}, before {state.next}: an old answer, or it has lost its end"
            )
        if end.stable != end.high:
            reason = (
                f"a transaction that is not the library's is open on partition {self._partition} from offset "
                f"{end.stable} on: `library doctor` says whose it is and how to end it"
            )
            if self._lasts("open", end.stable):
                raise OpenTransaction(reason)
            raise ClaimLost(reason)
        self._doubted = ("", 0)

    def unchanged(self, state: WriteState, deadline: Deadline) -> bool:
        """Whether the log ends where ``state`` does, uncommitted records included. Raises as ``advance``."""
        known = state.next
        end = self.advance(state, deadline, lambda: None)
        soon = Deadline(MARKER)
        while end.high < known and not soon.passes_within(0):
            # The end of our own transaction, which was acknowledged, is still on its way into the log
            end = self.advance(state, deadline, lambda: None)
        return end == End(known, known)

    def _lasts(self, what: str, offset: int) -> bool:
        """Whether the same doubt has lasted for longer than a transaction may be open."""
        if self._doubted != (what, offset):
            self._doubted, self._since = (what, offset), monotonic()
        return monotonic() - self._since > self._patience
