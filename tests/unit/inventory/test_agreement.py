"""Write state and inventory row are two folds of the same events: they must tell the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.commands import (
    REASONS,
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
from inventory.row_fold import fold
from inventory.rules import UNKNOWN, Rejection, Title, decide, evolve
from schemas.codec import decode, encode
from schemas.row import InventoryRow

ISBN = "9781593275846"
users = st.sampled_from(["ann", "bob", "eve"])
few = st.integers(1, 4)
names = st.sampled_from(["A", "B"])
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(AddBook, st.just(ISBN), names, names, few),
    st.builds(BorrowBook, st.just(ISBN), users),
    st.builds(ReturnBook, st.just(ISBN), st.none() | users),
    st.builds(RemoveBook, st.just(ISBN)),
    st.builds(AddCopies, st.just(ISBN), few),
    st.builds(WithdrawCopies, st.just(ISBN), few, st.sampled_from(REASONS)),
    st.builds(WithdrawCopies, st.just(ISBN), st.just(1), st.just("lost"), users),
    st.builds(RenewLoan, st.just(ISBN), users),
    st.builds(CorrectDetails, st.just(ISBN), st.none() | names, names),
)


def agree(title: Title, row: InventoryRow | None) -> None:
    if row is None:
        assert title == UNKNOWN
        return
    assert row.removed == title.removed == (not title.present)
    if title.present:
        assert (row.title, row.author) == (title.title, title.author)
    assert (row.quantity, row.available) == (title.quantity, title.available)
    assert {loan.user_id: loan.due_at for loan in row.loans} == title.loans
    assert 0 <= row.available == row.quantity - len(row.loans)


@settings(max_examples=300, deadline=None)
@given(st.lists(commands, max_size=40))
def test_rules_and_fold_agree_and_every_accepted_event_can_be_folded(wanted: list[Command]):
    title, row, events = UNKNOWN, None, []
    for at, command in enumerate(wanted, 1):
        decided = decide(title, command, at, at * 10)
        if isinstance(decided, Rejection):
            continue
        for event in decided:
            assert decode(encode(event)) == event
            title = evolve(title, event)
            events.append(event)
            row = fold(row, len(events), event)
        agree(title, row)
    if row is not None:
        assert decode(encode(row)) == row

    replayed = row
    for version, event in enumerate(events, 1):
        replayed = fold(replayed, version, event)
    assert replayed == row


@given(st.lists(commands, max_size=25))
def test_decisions_are_deterministic(wanted: list[Command]):
    title = UNKNOWN
    for at, command in enumerate(wanted, 1):
        first = decide(title, command, at, at * 10)
        assert decide(title, command, at, at * 10) == first
        if not isinstance(first, Rejection):
            for event in first:
                title = evolve(title, event)
