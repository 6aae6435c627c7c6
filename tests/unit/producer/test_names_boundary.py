"""The translation between user ids and tokens, without Kafka."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventstore.append.batch import decide_batch
from eventstore.append.deadline import Deadline
from eventstore.append.owner import now_ms
from eventstore.state.outcomes import Accepted, Outcome, Refused, submit
from eventstore.state.write_state import WriteState
from foundation.text import Malformed
from inventory.commands import AddBook, BorrowBook, Command, RenewLoan, ReturnBook, WithdrawCopies
from inventory.domain import library
from producer.names.boundary import NamesBoundary, guarded, require_no_token
from producer.names.erasures import Erasures, is_rolled
from producer.names.loans import LoansOf
from schemas.codec import encode
from schemas.directory import Directory
from schemas.events import BookBorrowed, BookReturned, CopiesWithdrawn, Event, LoanRenewed
from schemas.patrons import PatronName, name_key, new_token

ISBN = "9781593275846"
AT = 1_764_000_000_000
SOON = Deadline(10)


class FakeNames:
    """Names in memory. ``others`` are registered by somebody else before the next registration."""

    def __init__(self) -> None:
        self.directory = Directory()
        self.others: dict[str, str] = {}
        self.refreshed = 0

    def refresh(self, _: Deadline) -> None:
        self.refreshed += 1

    def register(self, tokens: Mapping[str, str], _: Deadline) -> bool:
        for user_id, token in [*self.others.items(), *tokens.items()]:
            if self.directory.token_of(user_id) is None:
                self.name(token, user_id)
        return all(self.directory.token_of(user_id) == token for user_id, token in tokens.items())

    def name(self, token: str, user_id: str, *, closing: bool = False) -> None:
        record = encode(PatronName(user_id, AT, closing))
        self.directory.take(name_key(token), record, self.directory.last_at, self.directory.last_at + 1)


class Desk:
    """A partition's writer without a log."""

    def __init__(self) -> None:
        self.names, self.returned = FakeNames(), list[str]()
        names: Any = self.names
        self.boundary = NamesBoundary(names, self.returned.append)
        self.decider = guarded(library(21, "UTC"), names)
        self.state = WriteState(self.decider)
        self.appended: list[bytes] = []
        self.count = 0

    def run(self, *commands: Command) -> list[Outcome]:
        """Decide a batch as ``Writer`` does."""
        self.count += 1
        submitted = [submit(f"{self.count}-{n}", command) for n, command in enumerate(commands)]
        while True:
            inner = self.boundary.inward(submitted, SOON)
            decided = decide_batch(self.decider, self.state, 0, inner, AT)
            if self.boundary.settled(inner, decided.outcomes, SOON):
                break
        if decided.last is not None and decided.records:
            self.state.keep(decided.streams, decided.accepted, decided.last)
            self.appended += [record.value or b"" for record in decided.records]
        return self.boundary.outward(inner, decided.outcomes)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.run(AddBook(ISBN, "Elixir in Action", "Sasa Juric", 3))
    return desk


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.rejection.code if isinstance(one, Refused) else "" for one in outcomes]


def test_somebody_else_registers_the_borrower_first(desk: Desk):
    token = new_token()
    desk.names.others = {"ann": token}
    assert codes(desk.run(BorrowBook(ISBN, "ann"))) == [""]
    assert desk.names.directory.token_of("ann") == token
    assert token.encode() in desk.appended[-1]


def test_only_accepted_loans_register(desk: Desk):
    outcomes = desk.run(*(BorrowBook(ISBN, f"user-{n}") for n in range(5)))
    assert codes(outcomes) == ["", "", "", "none_available", "none_available"]
    assert sorted(user for _, user in desk.names.directory) == ["user-0", "user-1", "user-2"]


def test_who_is_closing_gets_nothing_and_gives_back(desk: Desk):
    desk.run(BorrowBook(ISBN, "ann"), AddBook("9781680502992", "Other"))
    token = desk.names.directory.token_of("ann") or ""
    desk.names.name(token, "ann", closing=True)
    assert codes(desk.run(BorrowBook("9781680502992", "ann"))) == ["patron_closing"]
    assert desk.names.refreshed == 1
    assert codes(desk.run(RenewLoan(ISBN, "ann"))) == [""]
    assert desk.returned == []
    assert codes(desk.run(ReturnBook(ISBN, "ann"))) == [""]
    assert desk.returned == [token]


def test_a_return_without_a_name_may_be_of_anybody_who_is_closing(desk: Desk):
    desk.run(BorrowBook(ISBN, "ann"))
    desk.names.name(desk.names.directory.token_of("ann") or "", "ann", closing=True)
    desk.run(ReturnBook(ISBN))
    assert desk.returned == [""]


@pytest.mark.parametrize("user_id", ["p~", "p~card", "p~PN7gifb9Ztgt9hWK"])
def test_a_user_id_like_a_token_reaches_no_rule(desk: Desk, user_id: str):
    for command in (BorrowBook(ISBN, user_id), ReturnBook(ISBN, user_id)):
        with pytest.raises(Malformed):
            require_no_token(command)
    assert codes(desk.run(BorrowBook(ISBN, user_id))) == ["reserved_user_id"]
    assert len(desk.names.directory) == 0
    require_no_token(ReturnBook(ISBN))
    require_no_token(BorrowBook(ISBN, "ap~card"))


def without_leaves(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Leaves are hashes of the events, in which the tokens are."""
    return [
        replace(one, receipt=replace(one.receipt, leaf="")) if isinstance(one, Accepted) else one
        for one in outcomes
    ]


NAMED = ["ann@1", "bob@2", "cid@3"]
"""No token has such a character: one of a few thousand has ``ann``, ``bob`` or ``cid`` by chance."""
USERS = st.sampled_from([*NAMED, "a"])
COMMANDS = st.one_of(
    st.builds(BorrowBook, st.just(ISBN), USERS),
    st.builds(ReturnBook, st.just(ISBN), st.none() | USERS),
    st.builds(RenewLoan, st.just(ISBN), USERS),
    st.builds(WithdrawCopies, st.just(ISBN), st.just(1), st.just("lost"), USERS),
)


@given(st.lists(st.lists(COMMANDS, min_size=1, max_size=4), max_size=12))
def test_callers_see_what_they_would_see_without_tokens(batches: list[list[Command]]):
    desk, plain = Desk(), library(21, "UTC")
    state = WriteState(plain)
    first: list[Command] = [AddBook(ISBN, "Elixir in Action", "", 3)]
    for number, batch in enumerate([first, *batches]):
        outcomes = desk.run(*batch)
        submitted = [submit(f"{number + 1}-{n}", command) for n, command in enumerate(batch)]
        decided = decide_batch(plain, state, 0, submitted, AT)
        if decided.last is not None and decided.records:
            state.keep(decided.streams, decided.accepted, decided.last)
        assert without_leaves(outcomes) == without_leaves(decided.outcomes)
    for value in desk.appended:
        assert not any(user.encode() in value for user in NAMED)


EVENTS = st.one_of(
    *(
        st.builds(kind, st.sampled_from(["1" * 13, "2" * 13]), st.sampled_from(["mine", "other"]), *times)
        for kind, times in (
            (BookBorrowed, (st.just(AT), st.just(AT))),
            (LoanRenewed, (st.just(AT), st.just(AT))),
            (BookReturned, (st.just(AT),)),
        )
    ),
    st.builds(CopiesWithdrawn, st.just("1" * 13), st.just(1), st.just("lost"), st.just(AT), st.just("mine")),
)


@given(st.lists(EVENTS, max_size=20))
def test_the_loans_of_a_token_are_those_that_were_not_returned(events: list[Event]):
    token = "p~" + "m" * 16
    other = "p~" + "o" * 16
    expected: set[str] = set()
    loans = LoansOf(token)
    for event in events:
        user = token if getattr(event, "user_id", "") == "mine" else other
        named: Any = event
        loans.take_event(encode(type(named)(**{**_fields(named), "user_id": user})), 0)
        if user == token:
            if isinstance(event, BookBorrowed | LoanRenewed):
                expected.add(event.isbn)
            else:
                expected.discard(event.isbn)
    assert loans.isbns == expected
    assert not loans.trouble


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_a_segment_is_rolled_by_a_later_record_that_is_old_enough():
    names = FakeNames()
    assert is_rolled(names.directory, 1000)
    token = new_token()
    names.directory.take(name_key(token), None, 0, AT)
    for later, rolled in ((0, False), (1000, False), (1001, True)):
        names.directory.take(b"!roll", b"", 1, AT + later)
        assert is_rolled(names.directory, 1000) is rolled


def test_a_gateway_reports_each_erasure_once_whose_command_was_killed(caplog: pytest.LogCaptureFixture):
    names: Any = FakeNames()
    token = new_token()
    names.name(new_token(), "ann")
    names.name(token, "card-0048213", closing=True)
    erasures = Erasures(names)
    erasures._report_abandoned()
    erasures._report_abandoned()
    (told,) = caplog.records
    assert token in told.getMessage()
    assert "library patron forget USER" in told.getMessage()
    assert "card-0048213" not in caplog.text
    names.directory.take(name_key(token), encode(PatronName("card-0048213", AT, True)), 7, now_ms())
    erasures._report_abandoned()
    assert len(caplog.records) == 1, "another command has just begun"
