"""The read side's fold: from a title's events to its row in the inventory table."""

from typing import TypeGuard, assert_never

from msgspec.structs import replace

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
from schemas.row import Held, InventoryRow, Loan


class Gap(Exception):
    """An event's version is not the row's plus 1: events are missing, or version 1 was written twice."""

    def __init__(self, isbn: str, known: int, version: int) -> None:
        self.isbn = isbn
        super().__init__(
            f"{isbn}: version {version} follows {known}, so events are missing: `library doctor`, then "
            "`library replay --to-beginning`"
        )


class Unfoldable(ValueError):
    """An event that contradicts the row. It holds its title only."""


def stays(row: InventoryRow | None, isbn: str, version: int) -> TypeGuard[InventoryRow]:
    """Whether an event with this ``version`` of the title leaves the row unchanged.

    That is the case for a version that the row includes, and while another event holds the row. Version 1
    starts the row anew: a replay from the beginning recomputes it. Raises Gap.
    """
    if version == 1:
        return False
    if row is None:
        raise Gap(isbn, 0, version)
    if version <= row.version or (row.held is not None and row.held.version != version):
        return True
    if version != row.version + 1:
        raise Gap(isbn, row.version, version)
    return False


def fold(row: InventoryRow | None, version: int, event: Event) -> InventoryRow:
    """The row after ``event``, which makes ``version`` of its title.

    Raises Gap, and Unfoldable for an event that contradicts the row.
    """
    if stays(row, event.isbn, version):
        return row
    if isinstance(event, BookAdded):
        return InventoryRow(
            event.isbn, event.title, event.author, event.quantity, event.quantity, (), False, version,
            event.timestamp,
        )  # fmt: skip
    if row is None or row.removed or version == 1:
        raise Unfoldable(f"{type(event).__name__} of a title that is not in the inventory")
    after = _apply(row, version, event)
    if after.available < 0:
        raise Unfoldable(f"{type(event).__name__} leaves {after.available} copies on the shelf")
    return after if after.held is None else replace(after, held=None)


def hold(row: InventoryRow | None, isbn: str, held: Held) -> InventoryRow:
    """The row, or a placeholder if there is none, held by the event of ``held``.

    A row that waits already keeps waiting for the same event; its reason is that of the last try.
    """
    if row is None:
        row = InventoryRow(isbn, "", "", 0, 0, (), False, 0, 0)
    waits_for_another = row.held is not None and row.held.version != held.version
    return row if waits_for_another else replace(row, held=held)


def _apply(row: InventoryRow, version: int, event: Event) -> InventoryRow:
    at = event.timestamp
    match event:
        case BookBorrowed():
            loans = (*row.loans, Loan(event.user_id, at, event.due_at))
            return replace(row, version=version, updated_at=at, available=row.available - 1, loans=loans)
        case BookReturned():
            loans = _closed(row, event.user_id)
            return replace(row, version=version, updated_at=at, available=row.available + 1, loans=loans)
        case BookRemoved():
            if row.loans:
                raise Unfoldable(f"removed with {len(row.loans)} copies on loan")
            return replace(row, version=version, updated_at=at, removed=True, quantity=0, available=0)
        case CopiesAdded():
            return _with_copies(row, version, at, event.quantity)
        case CopiesWithdrawn():
            if event.user_id is None:
                return _with_copies(row, version, at, -event.quantity)
            loans = _closed(row, event.user_id)
            return replace(row, version=version, updated_at=at, quantity=row.quantity - 1, loans=loans)
        case LoanRenewed():
            _closed(row, event.user_id)
            loans = tuple(
                Loan(loan.user_id, loan.borrowed_at, event.due_at) if loan.user_id == event.user_id else loan
                for loan in row.loans
            )
            return replace(row, version=version, updated_at=at, loans=loans)
        case DetailsCorrected():
            return replace(row, version=version, updated_at=at, title=event.title, author=event.author)
        case BookAdded():
            raise AssertionError("starts a row, see fold")
        case _:
            assert_never(event)


def _with_copies(row: InventoryRow, version: int, at: int, more: int) -> InventoryRow:
    return replace(
        row, version=version, updated_at=at, quantity=row.quantity + more, available=row.available + more
    )


def _closed(row: InventoryRow, user: str) -> tuple[Loan, ...]:
    loans = tuple(loan for loan in row.loans if loan.user_id != user)
    if len(loans) == len(row.loans):
        raise Unfoldable("there is no such open loan")
    return loans
