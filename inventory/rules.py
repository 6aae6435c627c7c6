"""The write side's rules, one title at a time: ``decide`` may refuse, ``evolve`` never does."""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from eventstore import decider
from inventory.commands import (
    AddBook,
    AddCopies,
    BorrowBook,
    Command,
    CorrectDetails,
    RemoveBook,
    RenewLoan,
    ReturnBook,
    WithdrawCopies,
)
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)

LOANS_MAX_BYTES = 900_000
"""Of a title's open loans, as its row holds them. A row is one record: Kafka takes 1 MB of it, by default."""
LOAN_BYTES = 14
"""Of a loan besides its borrower: two times, and the length of the borrower."""
FEW_LOANS = 1_000
"""So many loans fit, however long their borrowers are: 200 characters of 4 bytes."""


class Title(Struct, frozen=True, gc=False, array_like=True):
    """The state of a title as decisions need it. ``loans`` maps borrowers to due dates (ms)."""

    present: bool = False
    removed: bool = False
    title: str = ""
    author: str = ""
    quantity: int = 0
    loans: dict[str, int] = {}

    @property
    def available(self) -> int:
        """Copies on the shelf."""
        return self.quantity - len(self.loans)


UNKNOWN = Title()


class Rejection(decider.Rejection, frozen=True):
    """Why a command is refused. ``borrowers`` lists those among whom the caller has to choose."""

    borrowers: tuple[str, ...] = ()


Decision: TypeAlias = tuple[Event, ...] | Rejection
"""The events to append. No events: the inventory is already as the command wants it."""


def decide(title: Title, command: Command, at: int, due_at: int) -> Decision:
    """Decide ``command`` on ``title`` at time ``at`` (ms). A loan made now is due at ``due_at`` (ms)."""
    if isinstance(command, AddBook):
        return _add(title, command, at)
    if not title.present:
        return _absent(title)
    match command:
        case BorrowBook():
            return _borrow(title, command, at, due_at)
        case ReturnBook():
            return _return(title, command, at)
        case RemoveBook():
            return _remove(title, command, at)
        case AddCopies():
            return (CopiesAdded(command.isbn, command.quantity, at),)
        case WithdrawCopies():
            return _withdraw(title, command, at)
        case RenewLoan():
            return _renew(title, command, at, due_at)
        case CorrectDetails():
            return _correct(title, command, at)
        case _:
            assert_never(command)


def evolve(title: Title, event: Event) -> Title:
    """The title after ``event``."""
    match event:
        case BookAdded():
            return Title(True, False, event.title, event.author, event.quantity)
        case BookRemoved():
            return Title(removed=True)
        case BookBorrowed() | LoanRenewed():
            return replace(title, loans={**title.loans, event.user_id: event.due_at})
        case BookReturned():
            return replace(title, loans=_without(title.loans, event.user_id))
        case CopiesAdded():
            return replace(title, quantity=title.quantity + event.quantity)
        case CopiesWithdrawn():
            loans = _without(title.loans, event.user_id) if event.user_id else title.loans
            return replace(title, quantity=title.quantity - event.quantity, loans=loans)
        case DetailsCorrected():
            return replace(title, title=event.title, author=event.author)
        case _:
            assert_never(event)


def _add(title: Title, command: AddBook, at: int) -> Decision:
    if not title.present:
        return (BookAdded(command.isbn, command.title, command.author, command.quantity, at),)
    known = (title.title, title.author, title.quantity)
    if known == (command.title, command.author, command.quantity):
        return ()
    return Rejection(
        "already_added",
        f"this title is in the inventory already, as {title.title!r} by {title.author!r} with "
        f"{_copies(title.quantity)}: `copies add` brings more, `correct` changes the details",
    )


def _absent(title: Title) -> Rejection:
    if title.removed:
        return Rejection("removed", "this title was removed from the inventory; `add` brings it back")
    return Rejection("unknown_title", "this title is not in the inventory; `add` brings it in")


def _remove(title: Title, command: RemoveBook, at: int) -> Decision:
    if title.loans:
        return Rejection("on_loan", f"{_copies(len(title.loans))} on loan: they must be returned first")
    return (BookRemoved(command.isbn, at),)


def _borrow(title: Title, command: BorrowBook, at: int, due_at: int) -> Decision:
    if command.user_id in title.loans:
        return Rejection("already_borrowed", "this borrower has a copy of this title already")
    if title.available < 1:
        return Rejection("none_available", f"no copy is on the shelf: {_copies(title.quantity)}, all on loan")
    if len(title.loans) >= FEW_LOANS and _loans_bytes([*title.loans, command.user_id]) > LOANS_MAX_BYTES:
        return Rejection(
            "too_many_loans",
            f"{_copies(len(title.loans))} on loan, and no more can be recorded with this title: their loans "
            f"may take {LOANS_MAX_BYTES:,} bytes; add further copies as a title with a number of its own",
        )
    return (BookBorrowed(command.isbn, command.user_id, at, due_at),)


def _return(title: Title, command: ReturnBook, at: int) -> Decision:
    user = command.user_id
    if user is None:
        if len(title.loans) > 1:
            borrowers = tuple(sorted(title.loans))
            return Rejection(
                "which_loan", f"several copies are on loan, say whose: {', '.join(borrowers)}", borrowers
            )
        user = next(iter(title.loans), None)
    if user is None or user not in title.loans:
        return Rejection("not_on_loan", "there is no such open loan")
    return (BookReturned(command.isbn, user, at),)


def _withdraw(title: Title, command: WithdrawCopies, at: int) -> Decision:
    if command.user_id is not None:
        if command.user_id not in title.loans:
            return Rejection("not_on_loan", "there is no such open loan")
    elif command.quantity > title.available:
        return Rejection("none_available", f"only {_copies(title.available)} on the shelf")
    return (CopiesWithdrawn(command.isbn, command.quantity, command.reason, at, command.user_id),)


def _renew(title: Title, command: RenewLoan, at: int, due_at: int) -> Decision:
    due = title.loans.get(command.user_id)
    if due is None:
        return Rejection("not_on_loan", "there is no such open loan")
    if due >= due_at:
        return ()
    return (LoanRenewed(command.isbn, command.user_id, at, due_at),)


def _correct(title: Title, command: CorrectDetails, at: int) -> Decision:
    details = (
        title.title if command.title is None else command.title,
        title.author if command.author is None else command.author,
    )
    if details == (title.title, title.author):
        return ()
    return (DetailsCorrected(command.isbn, *details, at),)


def _loans_bytes(borrowers: list[str]) -> int:
    return len("".join(borrowers).encode()) + LOAN_BYTES * len(borrowers)


def _without(loans: dict[str, int], user: str) -> dict[str, int]:
    return {borrower: due for borrower, due in loans.items() if borrower != user}


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else f"{count} copies"
