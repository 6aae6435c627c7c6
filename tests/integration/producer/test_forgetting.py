"""A borrower is forgotten while others lend, return, freeze and die at every step."""

from collections.abc import Callable

import pytest

from eventstore.append.deadline import Deadline
from eventstore.append.writer import Writer
from eventstore.state.outcomes import Outcome
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from producer.client import execute
from producer.names.forgetting import add, finish, forget, keep
from producer.names.loans import LoansOwner
from producer.names.names import Names
from producer.writers import writer_of
from tests.support.producer.named_store import (
    bytes_of_events,
    directory,
    keep_names_apart,
    lend,
    loans,
    names_records,
    patron,
    require_nothing_lent_to_the_forgotten,
    state,
)
from tests.support.producer.writer_calls import ADD, ISBN, OTHER, SECONDS, accepted, refused, run

USER = "card-0048213"
STEPS = ("closing", "claimed", "read", "looked", "forgotten")
NAMES_STEPS = ("claimed", "read", "decided", "delivered", "committed")


class Killed(Exception):
    """The process ends here."""


def at(step: str, do: Callable[[], object]) -> Callable[[str], None]:
    """Calls ``do`` the first time that a step is reached."""
    done: list[str] = []

    def reached(passed: str) -> None:
        if passed == step and not done:
            done.append(step)
            do()

    return reached


def kill() -> None:
    raise Killed


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    """A title with three copies; USER has had one of them."""
    settings = keep_names_apart(new_settings(partitions=1, gateway=""))
    accepted(lend(settings, ADD))
    accepted(lend(settings, BorrowBook(ISBN, USER)))
    accepted(lend(settings, ReturnBook(ISBN, USER)))
    return settings


@pytest.fixture
def names(store: Settings) -> Names:
    return Names(store)


def test_a_forgotten_borrower_has_no_name_and_a_time(store: Settings, names: Names):
    add(names, "ann", SECONDS)
    token = directory(store).token_of(USER) or ""
    done = patron(forget(names, USER, SECONDS))
    assert (state(done), done.patron) == ("forgotten", token)
    after = directory(store)
    assert (after.token_of(USER), after.user_of(token)) == (None, None)
    assert after.forgotten == {token: done.forgotten_at}
    assert after.token_of("ann")
    # A compaction of the topic leaves no record with the name
    newest = dict(names_records(store))
    assert not [value for value in newest.values() if USER.encode() in (value or b"")]


def test_nobody_of_that_name_is_nothing_to_forget(store: Settings, names: Names):
    before = names_records(store)
    assert [state(do(names, "nobody", SECONDS)) for do in (forget, keep)] == ["unknown", "unknown"]
    assert names_records(store) == before


def test_a_borrower_who_comes_back_gets_another_token(store: Settings, names: Names):
    before = directory(store).token_of(USER)
    forget(names, USER, SECONDS)
    accepted(lend(store, BorrowBook(ISBN, USER)))
    assert directory(store).token_of(USER) not in (None, before)
    assert USER.encode() not in bytes_of_events(store)


def test_with_an_open_loan_the_borrower_is_kept_and_may_borrow_again(store: Settings, names: Names):
    accepted(lend(store, AddBook(OTHER, "Programming Elixir")))
    for isbn in (ISBN, OTHER):
        accepted(lend(store, BorrowBook(isbn, USER)))
    done = patron(forget(names, USER, SECONDS))
    assert (state(done), done.isbns) == ("open_loans", (ISBN, OTHER))
    accepted(lend(store, ReturnBook(OTHER, USER)))
    accepted(lend(store, BorrowBook(OTHER, USER)))
    assert not directory(store).closing


def test_the_time_of_registering_stays(store: Settings, names: Names):
    accepted(lend(store, BorrowBook(ISBN, USER)))
    first = names_records(store)[0]
    forget(names, USER, SECONDS)
    assert names_records(store)[-1] == first


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_running_it_again_ends_it(store: Settings, step: str):
    with pytest.raises(Killed):
        forget(Names(store), USER, SECONDS, reached=at(step, kill))
    again = forget(Names(store), USER, SECONDS)
    assert state(again) == ("unknown" if step == "forgotten" else "forgotten")
    assert directory(store).token_of(USER) is None
    assert len(directory(store).forgotten) == 1


@pytest.mark.parametrize("end_it", [keep, forget])
def test_a_killed_erasure_lends_nothing_until_it_is_run_again_or_taken_back(
    store: Settings, end_it: Callable[..., object]
):
    with pytest.raises(Killed):
        forget(Names(store), USER, SECONDS, reached=at("looked", kill))
    assert refused(lend(store, BorrowBook(ISBN, USER))) == "patron_closing"
    assert not loans(store)
    end_it(Names(store), USER, SECONDS)
    accepted(lend(store, BorrowBook(ISBN, USER)))
    require_nothing_lent_to_the_forgotten(store)


@pytest.mark.parametrize("step", NAMES_STEPS)
def test_killed_at_any_step_of_a_change_of_names_running_it_again_ends_it(store: Settings, step: str):
    with pytest.raises(Killed):
        forget(Names(store, reached=at(step, kill)), USER, SECONDS)
    assert state(forget(Names(store), USER, SECONDS)) == "forgotten"
    assert (directory(store).token_of(USER), len(directory(store).forgotten)) == (None, 1)


@pytest.mark.parametrize("step", STEPS)
def test_a_loan_at_any_step_is_never_one_of_a_forgotten_borrower(store: Settings, names: Names, step: str):
    outcomes: list[Outcome] = []
    done = forget(
        names, USER, SECONDS, reached=at(step, lambda: outcomes.append(lend(store, BorrowBook(ISBN, USER))))
    )
    assert state(done) == "forgotten"
    if step == "forgotten":
        accepted(outcomes[0])
    else:
        assert refused(outcomes[0]) == "patron_closing"
    require_nothing_lent_to_the_forgotten(store)


@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_return_at_any_step_is_accepted(store: Settings, names: Names, step: str):
    accepted(lend(store, BorrowBook(ISBN, USER)))
    outcomes: list[Outcome] = []
    done = forget(
        names, USER, SECONDS, reached=at(step, lambda: outcomes.append(lend(store, ReturnBook(ISBN, USER))))
    )
    accepted(outcomes[0])
    assert not loans(store)
    # The return counts if it came before the partition was read to its end
    assert state(done) == ("forgotten" if step in ("closing", "claimed") else "open_loans")
    assert state(forget(names, USER, SECONDS)) == (
        "unknown" if step in ("closing", "claimed") else "forgotten"
    )


@pytest.mark.parametrize("step", ["claimed", "read", "decided", "delivered"])
def test_a_writer_that_freezes_at_any_step_lends_nothing_to_a_forgotten_borrower(store: Settings, step: str):
    frozen = frozen_writer(store, step, lambda: forget(Names(store), USER, SECONDS))
    (outcome,) = run(frozen, BorrowBook(ISBN, USER))
    accepted(outcome)
    require_nothing_lent_to_the_forgotten(store)
    assert len(directory(store).forgotten) == 1
    assert directory(store).token_of(USER)


def frozen_writer(store: Settings, step: str, meanwhile: Callable[[], object]) -> Writer:
    """A writer that knows the borrower, and does ``meanwhile`` when it reaches the step."""
    own = Names(store)
    own.refresh(Deadline(SECONDS))
    return writer_of(store, 0, names=own, reached=at(step, meanwhile))


def test_a_writer_that_has_read_the_names_before_lends_nothing_after_the_barrier(
    store: Settings, names: Names
):
    own = Names(store)
    own.refresh(Deadline(SECONDS))
    outcomes: list[Outcome] = []

    def lend_late() -> None:
        outcomes.extend(run(writer_of(store, 0, names=own), BorrowBook(ISBN, USER)))

    assert state(forget(names, USER, SECONDS, reached=at("looked", lend_late))) == "forgotten"
    assert refused(outcomes[0]) == "patron_closing"
    require_nothing_lent_to_the_forgotten(store)


def test_without_the_claims_a_frozen_writer_would_lend_to_the_forgotten(
    store: Settings, monkeypatch: pytest.MonkeyPatch
):
    """A mutant: the tests above must be able to fail."""

    def read_only(self: LoansOwner, deadline_s: float) -> set[str]:
        return self._come_near(Deadline(deadline_s)).isbns

    monkeypatch.setattr(LoansOwner, "claim_and_read", read_only)
    frozen = frozen_writer(store, "decided", lambda: forget(Names(store), USER, SECONDS))
    run(frozen, BorrowBook(ISBN, USER))
    with pytest.raises(AssertionError):
        require_nothing_lent_to_the_forgotten(store)


def test_without_reading_the_names_after_a_claim_a_writer_would_lend_to_the_forgotten(
    store: Settings, monkeypatch: pytest.MonkeyPatch
):
    """The other mutant."""
    monkeypatch.setattr(Writer, "_before_reading", lambda *_: None)
    frozen = frozen_writer(store, "decided", lambda: forget(Names(store), USER, SECONDS))
    run(frozen, BorrowBook(ISBN, USER))
    with pytest.raises(AssertionError):
        require_nothing_lent_to_the_forgotten(store)


def test_kept_and_closed_again_meanwhile_the_first_attempt_erases_nothing(store: Settings, names: Names):
    def keep_and_lend() -> None:
        other = Names(store)
        keep(other, USER, SECONDS)
        accepted(lend(store, BorrowBook(ISBN, USER)))
        assert state(forget(other, USER, SECONDS, when_returned=True)) == "closing"

    assert state(forget(names, USER, SECONDS, reached=at("looked", keep_and_lend))) == "closing"
    assert directory(store).token_of(USER)
    require_nothing_lent_to_the_forgotten(store)


def test_when_returned_waits_for_the_last_return_and_lends_nothing_more(store: Settings, names: Names):
    accepted(lend(store, AddBook(OTHER, "Programming Elixir")))
    for isbn in (ISBN, OTHER):
        accepted(lend(store, BorrowBook(isbn, USER)))
    accepted(lend(store, ReturnBook(ISBN, USER)))
    done = patron(forget(names, USER, SECONDS, when_returned=True))
    assert (state(done), done.isbns) == ("closing", (OTHER,))
    assert refused(lend(store, BorrowBook(ISBN, USER))) == "patron_closing"
    # Asking again without --when-returned takes nothing back
    assert state(forget(names, USER, SECONDS)) == "closing"
    accepted(execute(store, "last", ReturnBook(OTHER)))
    assert directory(store).token_of(USER) is None
    assert len(directory(store).forgotten) == 1


def test_a_pending_erasure_is_taken_back(store: Settings, names: Names):
    accepted(lend(store, BorrowBook(ISBN, USER)))
    forget(names, USER, SECONDS, when_returned=True)
    assert state(keep(names, USER, SECONDS)) == "registered"
    accepted(execute(store, "last", ReturnBook(ISBN, USER)))
    accepted(lend(store, BorrowBook(ISBN, USER)))


def test_an_erasure_that_lost_its_process_after_the_return_is_ended_later(store: Settings, names: Names):
    accepted(lend(store, BorrowBook(ISBN, USER)))
    token = state_token(forget(names, USER, SECONDS, when_returned=True))
    accepted(lend(store, ReturnBook(ISBN, USER)))
    assert state(finish(names, token, SECONDS)) == "forgotten"
    assert state(finish(names, token, SECONDS)) == "forgotten"


def state_token(result: object) -> str:
    assert state(result) == "closing"
    return patron(result).patron
