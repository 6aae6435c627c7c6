"""The names of a store, as one process reads and changes them.

Changes are conditional appends to the one partition of ``library.names``, through its own fence.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

from confluent_kafka import Message
from msgspec.structs import replace

from eventstore.append.deadline import Deadline
from eventstore.append.fence import Record
from eventstore.append.owner import Owner, ignore, now_ms
from eventstore.avro import Undecodable
from eventstore.errors import ClaimLost
from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from eventstore.state.write_state import LastEvent
from foundation.settings import Settings
from schemas.codec import encode
from schemas.directory import Directory, directory_of
from schemas.patrons import PatronName, name_key
from schemas.topics import names_topic

OPEN_TRANSACTION_S = 0.5
"""After this time of waiting for the end of another writer's transaction it is ended: the writer is dead."""
POLL_INTERVAL_S = 0.002
LONGEST_WAIT_S = 60.0
"""For another thread that changes or reads the names."""

T = TypeVar("T")
Change: TypeAlias = Sequence[tuple[bytes, bytes | None]]
"""Keys and values of records; a value of None is a tombstone."""
Decide: TypeAlias = Callable[[Directory, int], tuple[Change, T]]
"""Records to append at a time (ms), and what the caller gets then. No records: nothing is to be done."""


class UnreadableNames(ClaimLost):
    """A record can't be read: it may say that a borrower is being forgotten."""

    @property
    def hopeless_after(self) -> float:
        """At once."""
        return 0.0


class NamesState:
    """The directory, with ``only`` that of one borrower, and up to where the topic was read."""

    last: LastEvent | None = None
    """The last record is not looked for when reading goes on: compaction may have removed it."""
    unsaved = 0

    def __init__(self, only: str = "") -> None:
        self.directory = directory_of(only)
        self.next, self.time, self.trouble = 0, 0, ""

    @property
    def start(self) -> int | None:
        """Where reading goes on; None: at the first record."""
        return self.next or None

    def take(self, messages: Sequence[Message]) -> None:
        """Add the next records of the topic."""
        for message in messages:
            offset, timestamp = message.offset() or 0, message.timestamp()[1]
            self.next, self.time = offset + 1, max(self.time, timestamp)
            try:
                self.directory.take(message.key(), message.value(), offset, timestamp)
            except Undecodable as error:
                self.trouble = f"record {offset} of the borrowers' names can't be read ({error}): upgrade"


class NamesOwner(Owner[NamesState]):
    """Reads and changes the topic, with ``only`` for that one borrower. Not thread-safe."""

    def __init__(
        self, settings: Settings, only: str, clock: Callable[[], int], reached: Callable[[str], None]
    ) -> None:
        one = replace(settings, partitions=1)
        super().__init__(one, 0, names_topic(settings), clock=clock, reached=reached)
        self._only = only

    def _load(self) -> NamesState:
        return NamesState(self._only)

    def change(self, decide: "Decide[T]", deadline_s: float) -> T | Unwritable | OutcomeUnknown:
        """Append what ``decide`` returns for exactly the names that it got; it may be called repeatedly."""

        def attempt(deadline: Deadline) -> T | Unwritable:
            state = self._current_state()
            if state.trouble:
                return Unwritable(state.trouble)
            at = max(self._clock(), state.time)
            records, result = decide(state.directory, at)
            self.reached("decided")
            if records:
                self._append(state, records, at, deadline)
            else:
                self._prove(deadline)
            return result

        return self._until_done(attempt, deadline_s)

    def read(self, deadline: Deadline) -> None:
        """Read everything that was committed before the call. Raises ClaimLost."""
        self._come_near(deadline)
        self._read_committed(deadline)
        if trouble := self._current_state().trouble:
            raise UnreadableNames(trouble)

    def _read_committed(self, deadline: Deadline) -> None:
        if self.fence.replicated:
            # The broker that answers a read may be a former leader
            self._require_checked(deadline)
            return
        state, begun = self._current_state(), time.monotonic()
        end = self.catch_up.advance(state, deadline, self._while_reading)
        wanted = end.high
        while end.stable < wanted:
            # A transaction is ending, or its writer was killed
            if time.monotonic() - begun > OPEN_TRANSACTION_S:
                self.fence.lose()
                self._require_checked(deadline)
                return
            time.sleep(POLL_INTERVAL_S)
            end = self.catch_up.advance(state, deadline, self._while_reading)
        if end.stable < state.next:
            raise ClaimLost(f"the names end at {end.stable}, before {state.next}: a stale answer, or a loss")

    def _require_checked(self, deadline: Deadline) -> None:
        trouble = self.check(deadline.left(LONGEST_WAIT_S))
        if trouble is not None:
            raise ClaimLost(trouble.reason)

    def _append(self, state: NamesState, change: Change, at: int, deadline: Deadline) -> None:
        self._deliver(state, [Record(key, value, at, []) for key, value in change], deadline)
        self.reached("delivered")
        self._in_doubt = True
        self.fence.commit(deadline)
        self._in_doubt = False
        self.reached("committed")
        for key, value in change:
            state.directory.take(key, value, state.next, at)
            state.next += 1
        # The transaction's marker
        state.next, state.time = state.next + 1, at


class Names:
    """The names of a store, with ``only`` those of one borrower. May be used by several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        only: str = "",
        clock: Callable[[], int] = now_ms,
        reached: Callable[[str], None] = ignore,
    ) -> None:
        self.settings = settings
        self._owner = NamesOwner(settings, only, clock, reached)
        self._lock = threading.Lock()
        self._none = Directory()

    @property
    def directory(self) -> Directory:
        """The names as far as they were read."""
        state = self._owner.state
        return self._none if state is None else state.directory

    @property
    def read_up_to(self) -> int:
        """The offset up to which the topic was read."""
        return self._owner.read_up_to

    def refresh(self, deadline: Deadline) -> None:
        """Read what was committed before the call. Raises ClaimLost."""
        with self._turn(deadline):
            self._owner.read(deadline)

    def change(self, decide: "Decide[T]", deadline_s: float) -> T | Unwritable | OutcomeUnknown:
        """As ``NamesOwner.change``."""
        deadline = Deadline(deadline_s)
        try:
            with self._turn(deadline):
                return self._owner.change(decide, deadline.left(deadline_s))
        except ClaimLost as lost:
            return OutcomeUnknown(str(lost), sent=False)

    def register(self, tokens: Mapping[str, str], deadline: Deadline) -> bool:
        """Give each of these user ids its token, unless it has one.

        Whether all have these tokens then. Raises ClaimLost where that stays unknown.
        """

        def decide(directory: Directory, at: int) -> tuple[Change, bool]:
            new = [user_id for user_id in tokens if directory.token_of(user_id) is None]
            same = all(directory.token_of(user_id) in (None, token) for user_id, token in tokens.items())
            return [(name_key(tokens[user_id]), encode(PatronName(user_id, at))) for user_id in new], same

        done = self.change(decide, deadline.left(LONGEST_WAIT_S))
        if isinstance(done, bool):
            return done
        raise ClaimLost(f"the borrower can't be registered: {done.reason}")

    def close(self) -> None:
        """Give the fence up."""
        self._owner.close()

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.left(LONGEST_WAIT_S)):
            raise ClaimLost("another thread reads or changes the names")
        try:
            yield
        finally:
            self._lock.release()
