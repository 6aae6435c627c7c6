"""What our own checker makes of repeated commands."""

from tests.chaos.checker import Checker, Logged
from tests.chaos.history import Call, Return

ISBN = "9780000000101"
DAY_MS = 24 * 3600 * 1000
ADDED = {"isbn": ISBN, "title": "t", "author": "a", "quantity": 1, "timestamp": DAY_MS}
ADD = {"type": "AddBook", "isbn": ISBN, "title": "t", "author": "a", "quantity": 1}
REMOVE = {"type": "RemoveBook", "isbn": ISBN}
RECEIPT = {"events": [["BookRemoved", 2]], "position": "0:2"}
LOG = [
    Logged(0, 0, DAY_MS, f"{ISBN}/1", "add", "BookAdded", ADDED),
    Logged(0, 2, DAY_MS, f"{ISBN}/2", "remove", "BookRemoved", {"isbn": ISBN, "timestamp": DAY_MS}),
]
ADDING = Call(
    "add", "c", ADD, [30], [Return(30, 40, "accepted", "", {"events": [["BookAdded", 1]], "position": "0:0"})]
)
REFUSED = Return(10, 20, "refused", "unknown_title")
ACCEPTED = Return(50, 60, "accepted", "", RECEIPT)


def violations(*attempts: Return) -> set[str]:
    removing = Call("remove", "c", REMOVE, [one.called for one in attempts], list(attempts))
    return set(Checker(LOG, {"add": ADDING, "remove": removing}).check())


def test_a_command_may_be_accepted_after_it_was_refused():
    assert violations(REFUSED, ACCEPTED) == set()


def test_a_command_that_was_only_refused_has_no_event():
    assert violations(REFUSED) == {"an event of a refused command"}


def test_a_command_is_not_refused_after_it_was_accepted():
    late = Return(70, 80, "refused", "removed")
    assert violations(ACCEPTED, late) == {"an event of a refused command"}
