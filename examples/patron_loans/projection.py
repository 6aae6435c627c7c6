"""One row for each borrower and partition: the titles that a borrower has lent are in several partitions."""

from msgspec import Struct
from msgspec.structs import replace

from eventstore import Codec, Registry, Table
from eventstore.table_position import REGISTRY as ENGINE
from projector.fold.keyed_fold import KeyedTable, Row
from schemas.events import BookBorrowed, BookReturned, CopiesWithdrawn, Event, LoanRenewed
from schemas.records import EVENTS


class PatronLoan(Struct, frozen=True):
    """An open loan; times are milliseconds since 1970, UTC."""

    isbn: str
    borrowed_at: int
    due_at: int


class PatronRow(Row, frozen=True, kw_only=True):
    """A borrower's open loans of titles in one partition, the oldest first."""

    user_id: str
    loans: tuple[PatronLoan, ...] = ()


def borrower(event: Event) -> str | None:
    """The row that the event concerns; None: it concerns no borrower."""
    match event:
        case BookBorrowed() | BookReturned() | LoanRenewed() | CopiesWithdrawn():
            return event.user_id
        case _:
            return None


def fold(row: PatronRow | None, event: Event) -> PatronRow:
    """The borrower's row after ``event``."""
    user = borrower(event)
    assert user is not None
    row = row or PatronRow(user_id=user)
    others = tuple(loan for loan in row.loans if loan.isbn != event.isbn)
    match event:
        case BookBorrowed():
            return replace(row, loans=(*others, PatronLoan(event.isbn, event.timestamp, event.due_at)))
        case LoanRenewed():
            return replace(row, loans=tuple(_renewed(loan, event) for loan in row.loans))
        case _:
            return replace(row, loans=others)


def _renewed(loan: PatronLoan, event: LoanRenewed) -> PatronLoan:
    return replace(loan, due_at=event.due_at) if loan.isbn == event.isbn else loan


CODEC = Codec(Registry("examples.patron_loans", (PatronRow, PatronLoan)), ENGINE)
TABLE = Table(group="patron-loans", name="loans")
PROJECTION = KeyedTable(TABLE, EVENTS, borrower, fold, CODEC).projection()
