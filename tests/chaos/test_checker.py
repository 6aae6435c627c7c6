"""What our own checker makes of repeated commands."""

from collections.abc import Collection

from eventstore.append.catch_up import FOREIGN_IS_OPEN
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


def violations(*attempts: Return, intruded: Collection[tuple[int, int]] = ()) -> set[str]:
    removing = Call("remove", "c", REMOVE, [one.called for one in attempts], list(attempts))
    return set(Checker(LOG, {"add": ADDING, "remove": removing}, intruded=intruded).check())


def test_a_command_may_be_accepted_after_it_was_refused():
    assert violations(REFUSED, ACCEPTED) == set()


def test_a_command_that_was_only_refused_has_no_event():
    assert violations(REFUSED) == {"an event of a refused command"}


def test_a_command_is_not_refused_after_it_was_accepted():
    late = Return(70, 80, "refused", "removed")
    assert violations(ACCEPTED, late) == {"an event of a refused command"}


def test_only_a_foreign_transaction_that_is_open_for_long_explains_that_nothing_can_be_written():
    unwritable = Return(10, 20, "unwritable", f"{FOREIGN_IS_OPEN} on partition 0 from offset 4 on")
    assert violations(unwritable, ACCEPTED, intruded=[(5, 15)]) == set()
    assert violations(unwritable, ACCEPTED, intruded=[(25, 40)]) == {
        "'unwritable', though no foreign transaction was open for long"
    }
