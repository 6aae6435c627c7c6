"""The checker of the chaos run finds each contradiction."""

from eventstore.headers import COMMAND_ID
from eventstore.state.outcomes import Accepted, Appended, Outcome, OutcomeUnknown, Receipt, Refused
from inventory.commands import AddBook, BorrowBook, Command
from inventory.rules import Rejection
from schemas.events import BookAdded, BookBorrowed, Event
from schemas.records import Recorded
from tests.three_brokers.history import Call, violations

ISBN = "9781593275846"
ADD, BORROW = AddBook(ISBN, "Elixir in Action", quantity=1), BorrowBook(ISBN, "ann")
ADDED, BORROWED = BookAdded(ISBN, "Elixir in Action", "", 1, 5), BookBorrowed(ISBN, "ann", 6, 7)
NO = Refused(Rejection("none_available", "no"))


def event(version: int, event: Event, command_id: str) -> Recorded:
    return Recorded(0, version, version, event, {COMMAND_ID: command_id})


def call(name: str, command: Command, called: float, answered: float, outcome: Outcome) -> Call:
    return Call(name, command, called, answered, outcome)


def yes(name: str, version: int) -> Accepted:
    return Accepted(Receipt(name, ISBN, (Appended("any", version),), f"0:{version}"))


ADDING = call("a", ADD, 0, 1, yes("a", 1))
BORROWING = call("b", BORROW, 2, 3, yes("b", 2))
LOG = [event(1, ADDED, "a"), event(2, BORROWED, "b")]


def test_a_correct_history_has_no_violation():
    late = call("c", BorrowBook(ISBN, "ben"), 4, 5, NO)
    beside = call("d", BorrowBook(ISBN, "cho"), 0, 5, NO)
    assert violations(LOG, [ADDING, BORROWING, late, beside]) == []


def test_a_repeated_version_is_a_violation():
    assert any(
        "follows version" in bad for bad in violations([*LOG, event(2, BORROWED, "b")], [ADDING, BORROWING])
    )


def test_an_event_without_a_command_is_a_violation():
    assert "belongs to no command" in violations(LOG, [ADDING])[0]


def test_an_event_that_the_rules_forbid_is_a_violation():
    second = call("c", BorrowBook(ISBN, "ben"), 4, 5, yes("c", 3))
    log = [*LOG, event(3, BookBorrowed(ISBN, "ben", 6, 7), "c")]
    assert "is not what" in violations(log, [ADDING, BORROWING, second])[0]


def test_a_lost_acknowledged_event_is_a_violation():
    assert "was accepted" in violations(LOG[:1], [ADDING, BORROWING])[0]


def test_a_refused_command_in_the_log_is_a_violation():
    refused = call("b", BORROW, 2, 3, NO)
    assert "was refused, the event store" in violations(LOG, [ADDING, refused])[0]


def test_a_command_without_an_answer_is_a_violation():
    unknown = call("c", BORROW, 4, 5, OutcomeUnknown("gone"))
    assert "has no answer" in violations(LOG, [ADDING, BORROWING, unknown])[0]


def test_a_stale_refusal_is_a_violation():
    stale = call("c", BorrowBook(ISBN, "ben"), 4, 5, Refused(Rejection("unknown_title", "no")))
    log = [LOG[0], event(2, BookBorrowed(ISBN, "ann", 6, 7), "b")]
    two = AddBook(ISBN, "Elixir in Action", quantity=2)
    more = [event(1, BookAdded(ISBN, "Elixir in Action", "", 2, 5), "a"), log[1]]
    adding = call("a", two, 0, 1, yes("a", 1))
    assert "no state of its time" in violations(more, [adding, BORROWING, stale])[0]


def test_an_order_that_contradicts_time_is_a_violation():
    early = call("b", BORROW, 2, 3, yes("b", 2))
    late_adding = call("a", ADD, 8, 9, yes("a", 1))
    assert "follows it in the log" in violations(LOG, [late_adding, early])[0]
