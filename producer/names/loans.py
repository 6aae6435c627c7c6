"""A borrower's open loans, read from the events of one partition that was just claimed."""

from collections.abc import Callable, Sequence

from confluent_kafka import Message

from eventstore.append.deadline import Deadline
from eventstore.append.owner import Owner
from eventstore.avro import Undecodable
from eventstore.state.outcomes import OutcomeUnknown, Unwritable
from eventstore.state.write_state import LastEvent, last_event
from foundation.settings import Settings
from schemas.codec import decode
from schemas.events import BookBorrowed, BookReturned, CopiesWithdrawn, LoanRenewed


class LoansOf:
    """The titles that a token has on loan, by the partition's events before offset ``next``.

    Only events with the token are decoded: a store of a million events is read in seconds.
    """

    unsaved = 0

    def __init__(self, token: str) -> None:
        self._token = token
        self._mark = token.encode()
        self.isbns: set[str] = set()
        self.next, self.time, self.trouble = 0, 0, ""
        self.last: LastEvent | None = None

    @property
    def start(self) -> int | None:
        """Where reading goes on: at the last event; None: at the first one."""
        return self.last.offset if self.last else None

    def take(self, messages: Sequence[Message]) -> None:
        """Add the partition's next records."""
        for message in messages:
            value = message.value()
            if value is not None:
                self.take_event(value, message.offset() or 0)
        if messages:
            self.last = last_event(messages[-1])
            self.next, self.time = self.last.offset + 1, max(self.time, self.last.timestamp)

    def take_event(self, value: bytes, offset: int) -> None:
        """Add one event. One that can't be read is trouble if it may be the borrower's."""
        if self._mark not in value:
            return
        try:
            event = decode(value)
        except Undecodable as error:
            self.trouble = f"offset {offset} can't be read, and names the borrower ({error}): upgrade"
            return
        if getattr(event, "user_id", None) != self._token:
            # For example a title with this text
            return
        match event:
            case BookBorrowed() | LoanRenewed():
                self.isbns.add(event.isbn)
            case BookReturned() | CopiesWithdrawn():
                self.isbns.discard(event.isbn)
            case _:
                self.trouble = f"offset {offset} is a {type(event).__name__} with a borrower: upgrade"


class LoansOwner(Owner[LoansOf]):
    """Claims a partition of the event store once, and reads the borrower's loans up to its end."""

    def __init__(
        self, settings: Settings, partition: int, token: str, reached: Callable[[str], None]
    ) -> None:
        super().__init__(settings, partition, reached=reached)
        self._token = token

    def _load(self) -> LoansOf:
        return LoansOf(self._token)

    def claim_and_read(self, deadline_s: float) -> set[str] | Unwritable | OutcomeUnknown:
        """Titles on loan. No writer that claimed the partition before can commit any more."""

        def attempt(deadline: Deadline) -> set[str] | Unwritable:
            state = self._current_state()
            if self.fence.replicated:
                # The broker that answered the read may be a former leader
                self._prove_claim(deadline)
            return Unwritable(state.trouble) if state.trouble else state.isbns

        return self._until_done(attempt, deadline_s)
