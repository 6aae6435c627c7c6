from collections.abc import Iterable
from uuid import uuid4

import pytest

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
from inventory.rules import LOAN_BYTES, LOANS_MAX_BYTES, UNKNOWN, Rejection, Title, evolve
from projector.app import ROW_MAX_BYTES
from schemas.codec import encode
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    LoanRenewed,
)
from schemas.row import InventoryRow, Loan
from tests.unit.inventory.given_when import DUE, NOW, code, given, only, when

ISBN = "9781593275846"
ADD = AddBook(ISBN, "Elixir in Action", "Sasa Juric", 2)
ANN, BOB = BorrowBook(ISBN, "ann"), BorrowBook(ISBN, "bob")


def test_a_title_is_added_once():
    assert only(when(UNKNOWN, ADD)) == BookAdded(ISBN, "Elixir in Action", "Sasa Juric", 2, NOW)
    assert when(given(ADD), ADD) == ()
    assert code(when(given(ADD), AddBook(ISBN, "Another", "Sasa Juric", 2))) == "already_added"
    assert code(when(given(ADD), AddBook(ISBN, "Elixir in Action", "Sasa Juric", 3))) == "already_added"


def test_a_removed_title_can_be_added_again():
    removed = given(ADD, RemoveBook(ISBN))
    assert (removed.present, removed.removed) == (False, True)
    again = given(ADD, RemoveBook(ISBN), AddBook(ISBN, "Elixir", "", 1))
    assert (again.present, again.title, again.quantity) == (True, "Elixir", 1)


@pytest.mark.parametrize("command", [ANN, ReturnBook(ISBN, "ann"), RemoveBook(ISBN), AddCopies(ISBN, 1)])
def test_an_absent_title_can_only_be_added(command: Command):
    assert code(when(UNKNOWN, command)) == "unknown_title"
    assert code(when(given(ADD, RemoveBook(ISBN)), command)) == "removed"


def test_only_available_copies_are_lent():
    assert only(when(given(ADD), ANN)) == BookBorrowed(ISBN, "ann", NOW, DUE)
    assert code(when(given(ADD, ANN), ANN)) == "already_borrowed"
    assert code(when(given(ADD, ANN, BOB), BorrowBook(ISBN, "eve"))) == "none_available"


def with_loans(users: Iterable[str]) -> Title:
    loans = dict.fromkeys(users, DUE)
    return Title(True, title="𝄞" * 1_000, author="𝄞" * 1_000, quantity=len(loans) + 1, loans=loans)


def row_of(title: Title) -> InventoryRow:
    loans = tuple(Loan(user, NOW, due_at) for user, due_at in title.loans.items())
    return InventoryRow(ISBN, title.title, title.author, title.quantity, 1, loans, False, 1, NOW)


@pytest.mark.parametrize("user", ["{:036}", "{:04}" + 196 * "𝄞"])
def test_a_copy_is_lent_only_if_the_row_of_the_title_can_hold_the_loan(user: str):
    fits = LOANS_MAX_BYTES // (len(user.format(0).encode()) + LOAN_BYTES)
    full = with_loans(user.format(number) for number in range(fits))
    assert code(when(full, BorrowBook(ISBN, user.format(fits)))) == "too_many_loans"
    assert len(encode(row_of(full))) < ROW_MAX_BYTES
    returned = BookReturned(ISBN, user.format(0), NOW)
    assert only(when(full, ReturnBook(ISBN, user.format(0)))) == returned
    assert only(when(evolve(full, returned), ANN)) == BookBorrowed(ISBN, "ann", NOW, DUE)


def test_five_thousand_copies_are_lent():
    title = with_loans(str(uuid4()) for _ in range(4_999))
    assert only(when(title, ANN)) == BookBorrowed(ISBN, "ann", NOW, DUE)


def test_only_an_open_loan_is_returned():
    assert only(when(given(ADD, ANN), ReturnBook(ISBN, "ann"))) == BookReturned(ISBN, "ann", NOW)
    assert code(when(given(ADD, ANN), ReturnBook(ISBN, "bob"))) == "not_on_loan"
    assert code(when(given(ADD), ReturnBook(ISBN))) == "not_on_loan"


def test_a_return_without_a_borrower_means_the_only_loan():
    assert only(when(given(ADD, BOB), ReturnBook(ISBN))) == BookReturned(ISBN, "bob", NOW)
    refused = when(given(ADD, BOB, ANN), ReturnBook(ISBN))
    assert isinstance(refused, Rejection)
    assert (refused.code, refused.borrowers) == ("which_loan", ("ann", "bob"))


def test_a_title_with_a_copy_on_loan_cannot_be_removed():
    assert only(when(given(ADD), RemoveBook(ISBN))) == BookRemoved(ISBN, NOW)
    assert code(when(given(ADD, ANN), RemoveBook(ISBN))) == "on_loan"


def test_copies_are_added_and_only_available_ones_withdrawn():
    assert only(when(given(ADD), AddCopies(ISBN, 3))) == CopiesAdded(ISBN, 3, NOW)
    assert given(ADD, AddCopies(ISBN, 3)).available == 5
    sold = only(when(given(ADD, ANN), WithdrawCopies(ISBN, 1, "sold")))
    assert sold == CopiesWithdrawn(ISBN, 1, "sold", NOW)
    assert code(when(given(ADD, ANN), WithdrawCopies(ISBN, 2, "sold"))) == "none_available"


def test_a_lost_copy_closes_its_loan():
    lost = WithdrawCopies(ISBN, 1, "lost", "ann")
    title = given(ADD, ANN, lost)
    assert (title.quantity, title.available, title.loans) == (1, 1, {})
    assert code(when(given(ADD), lost)) == "not_on_loan"


def test_a_loan_is_renewed_to_a_later_day():
    later = DUE + 1
    renewed = only(when(given(ADD, ANN), RenewLoan(ISBN, "ann"), due_at=later))
    assert renewed == LoanRenewed(ISBN, "ann", NOW, later)
    assert when(given(ADD, ANN), RenewLoan(ISBN, "ann")) == ()
    assert code(when(given(ADD), RenewLoan(ISBN, "ann"))) == "not_on_loan"


def test_details_are_corrected_where_they_differ():
    corrected = only(when(given(ADD), CorrectDetails(ISBN, author="Saša Jurić")))
    assert corrected == DetailsCorrected(ISBN, "Elixir in Action", "Saša Jurić", NOW)
    assert when(given(ADD), CorrectDetails(ISBN, title="Elixir in Action")) == ()
