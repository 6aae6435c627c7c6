"""Commands name borrowers, events only their tokens: the boundary of writers."""

from collections.abc import Callable

import pytest

from eventstore.append.deadline import Deadline
from eventstore.state.outcomes import OutcomeUnknown, Refused, Reused, digest
from eventstore.topics import events_topic
from foundation.settings import Settings
from foundation.text import Malformed
from inventory.commands import BorrowBook, RenewLoan, ReturnBook, WithdrawCopies
from inventory.rules import Rejection
from producer.client import execute
from producer.names.forgetting import forget
from producer.names.names import Names
from producer.writers import writer_of
from schemas.patrons import is_token, new_token
from schemas.records import recorded
from schemas.topics import names_topic
from tests.support.producer.named_store import (
    bytes_of_events,
    directory,
    keep_names_apart,
    lend,
    loans,
    names_records,
    records,
)
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    OTHER,
    SECONDS,
    accepted,
    foreign_producer,
    refused,
    run,
)

USER = "card-0048213"


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    return keep_names_apart(new_settings(partitions=1, gateway=""))


@pytest.fixture
def title(store: Settings) -> str:
    accepted(lend(store, ADD))
    return ISBN


def test_events_hold_a_token_and_never_the_user_id(store: Settings, title: str):
    for what in (
        BorrowBook(ISBN, USER),
        RenewLoan(ISBN, USER),
        ReturnBook(ISBN, USER),
        BorrowBook(ISBN, USER),
    ):
        accepted(lend(store, what))
    accepted(lend(store, WithdrawCopies(ISBN, 1, "lost", USER)))
    assert USER.encode() not in bytes_of_events(store)
    token = directory(store).token_of(USER)
    assert token is not None
    assert is_token(token)
    assert token.encode() in bytes_of_events(store)
    assert len(names_records(store)) == 1


def test_the_digest_of_a_command_does_not_give_the_user_id_away(store: Settings, title: str):
    accepted(lend(store, BorrowBook(ISBN, USER)))
    *_, borrowed = records(store, events_topic(store))
    digests = recorded(borrowed).headers["command_digest"]
    assert digests != digest(BorrowBook(ISBN, USER))
    assert digests == digest(BorrowBook(ISBN, directory(store).token_of(USER) or ""))


def test_a_repeat_gets_the_first_answer_and_registers_nobody(store: Settings, title: str):
    first = accepted(lend(store, BorrowBook(ISBN, USER), "one"))
    again = accepted(lend(store, BorrowBook(ISBN, USER), "one"))
    assert (again.receipt, again.replayed) == (first.receipt, True)
    assert isinstance(lend(store, BorrowBook(ISBN, "somebody-else"), "one"), Reused)
    assert len(names_records(store)) == 1


def test_a_refused_loan_registers_nobody(store: Settings, title: str):
    assert refused(lend(store, BorrowBook(OTHER, USER))) == "unknown_title"
    for what in (ReturnBook(ISBN, USER), RenewLoan(ISBN, USER), WithdrawCopies(ISBN, 1, "lost", USER)):
        assert refused(lend(store, what)) == "not_on_loan"
    assert not names_records(store)


def test_a_batch_registers_each_borrower_once(store: Settings, title: str):
    names = Names(store)
    writer = writer_of(store, 0, names=names)
    same = run(writer, BorrowBook(ISBN, "ann"), ReturnBook(ISBN, "ann"), BorrowBook(ISBN, "ann"))
    assert [bool(accepted(one).receipt.events) for one in same] == [True, True, True]
    assert [refused(one) for one in run(writer, BorrowBook(ISBN, "ann"), RenewLoan(ISBN, "bob"))] == [
        "already_borrowed",
        "not_on_loan",
    ]
    writer.close()
    assert len(names_records(store)) == 1


@pytest.mark.parametrize("step", ["decided", "delivered"])
def test_two_writers_give_a_borrower_one_token(store: Settings, title: str, step: str):
    """The other registers the same borrower while the first is about to."""
    others: list[bool] = []

    def register(reached: str) -> None:
        if reached == step and not others:
            others.append(False)
            other = Names(store)
            others[0] = other.register({USER: new_token()}, Deadline(SECONDS))
            other.close()

    names = Names(store, reached=register)
    writer = writer_of(store, 0, names=names)
    (outcome,) = run(writer, BorrowBook(ISBN, USER))
    writer.close()
    accepted(outcome)
    assert others == [True]
    assert len(names_records(store)) == 1
    assert loans(store) == {(ISBN, directory(store).token_of(USER))}


def test_a_refusal_names_the_borrowers_as_callers_do(store: Settings, title: str):
    for user in ("zoe", "ann"):
        accepted(lend(store, BorrowBook(ISBN, user)))
    outcome = lend(store, ReturnBook(ISBN))
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.rejection, Rejection)
    assert outcome.rejection.code == "which_loan"
    assert outcome.rejection.borrowers == ("ann", "zoe")
    assert outcome.rejection.message.endswith("say whose: ann, zoe")


def test_a_user_id_that_looks_like_a_token_is_refused(store: Settings, title: str):
    accepted(lend(store, BorrowBook(ISBN, USER)))
    token = directory(store).token_of(USER) or ""
    with pytest.raises(Malformed, match="does not begin with p~"):
        execute(store, "other", ReturnBook(ISBN, token))
    # Also where nothing checked it before
    assert refused(lend(store, ReturnBook(ISBN, token))) == "not_on_loan"
    assert refused(lend(store, BorrowBook(ISBN, new_token()))) == "reserved_user_id"
    assert len(names_records(store)) == 1


def test_a_repeat_after_forgetting_changes_nothing_and_registers_nobody(store: Settings, title: str):
    accepted(lend(store, BorrowBook(ISBN, USER), "one"))
    accepted(lend(store, ReturnBook(ISBN, USER)))
    names = Names(store)
    forget(names, USER, SECONDS)
    assert isinstance(lend(store, BorrowBook(ISBN, USER), "one"), Reused)
    assert directory(store).token_of(USER) is None


def test_names_that_cannot_be_read_stop_loans_until_somebody_upgrades(store: Settings, title: str):
    """The record of a later release may say that a borrower is being forgotten."""
    accepted(lend(store, BorrowBook(ISBN, USER)))
    producer = foreign_producer(store)
    producer.produce(
        names_topic(store), b"\0\0\0\0\x63later", (directory(store).token_of(USER) or "").encode()
    )
    producer.flush()
    outcome = lend(store, ReturnBook(ISBN, USER))
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent
    assert "can't be read (schema id 99 is unknown here" in outcome.reason
    assert len(loans(store)) == 1


def test_a_store_without_names_works_with_user_ids(new_settings: Callable[..., Settings]):
    plain = new_settings(partitions=1, gateway="")
    execute(plain, "add", ADD)
    accepted(execute(plain, "lend", BorrowBook(ISBN, "p~card")))
    assert loans(plain) == {(ISBN, "p~card")}
