"""Signed transactions of one partition, and what is wrong with those that nobody has signed like this."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import pytest

from evidence.leaf import NO_EVENT
from evidence.note import Signer, new_key
from evidence.transaction import HEADER, MAX_EVENTS, Place, TransactionCheck, TransactionSigner

KEY, OTHER_KEY = Signer(new_key("writer")), Signer(new_key("other"))
PLACE = Place(1, 3)
Event = tuple[str, bytes | None]
"""Its name, and its signature."""


def leaf(event: Event) -> bytes:
    name, signature = event
    return sha256(name.encode() + (signature or b"")).digest()


def transaction(events: Sequence[Event], *names: str, key: Signer = KEY, place: Place = PLACE) -> list[Event]:
    """``events``, and after them new ones that a writer signs."""
    bare = [leaf((name, None)) for name in names]
    header, value = TransactionSigner(place, key).sign(leaf(events[-1]) if events else NO_EVENT, bare)
    assert header == HEADER
    return [*events, *((name, None) for name in names[:-1]), (names[-1], value)]


def check(
    events: Iterable[Event], *keys: Signer, place: Place = PLACE, state: TransactionCheck[str] | None = None
) -> tuple[int, list[tuple[str, str, int]]]:
    """The number of signed events, and kind, first event and number of events of each flaw."""
    checking = state or TransactionCheck[str](place, [key.verifier for key in keys or (KEY,)])
    flaws = []
    for event in events:
        name, signature = event
        if signature is None:
            flaws.append(checking.add(leaf(event), name))
        else:
            flaws += checking.close(leaf(event), leaf((name, None)), signature, name)
    flaws.append(checking.end())
    return checking.signed, [(flaw.flaw.value, flaw.first, flaw.events) for flaw in flaws if flaw is not None]


@pytest.fixture
def log() -> list[Event]:
    """Two old events, and transactions of one, three and two events."""
    return transaction(transaction(transaction([("a", None), ("b", None)], "c"), "d", "e", "f"), "g", "h")


def test_events_before_the_first_signature_are_no_flaw(log: list[Event]) -> None:
    assert check(log) == (6, [])
    assert check(log[:2]) == (0, [])


def test_events_before_the_first_signature_are_counted(log: list[Event]) -> None:
    for events, early in ((log, 2), (log[:2], 2), (log[:3], 2), (transaction([], "a", "b"), 0)):
        checking = TransactionCheck[str](PLACE, [KEY.verifier])
        check(events, state=checking)
        assert checking.early == early


def test_an_event_without_a_signature_is_named_wherever_it_is(log: list[Event]) -> None:
    forged: Event = ("x", None)
    assert check([*log, forged]) == (6, [("unsigned", "x", 1)])
    # A writer that goes on after it does not make it one of its own
    assert check(transaction([*log, forged], "i")) == (7, [("unsigned", "x", 1)])
    # It came later than the transactions around it
    assert check([*log[:3], forged, *log[3:]]) == (6, [("unsigned", "x", 1)])


def test_a_signature_that_is_no_writers_is_forged(log: list[Event]) -> None:
    assert check(transaction(log, "x", "y", key=OTHER_KEY)) == (6, [("forged", "x", 2)])
    for value in (b"", b"1/3 1 !", b"1/3 1 AAAA", log[2][1]):
        assert check([*log, ("x", value)]) == (6, [("forged", "x", 1)])


def test_a_changed_event_makes_its_transaction_forged(log: list[Event]) -> None:
    log[4] = ("E", None)
    assert check(log) == (3, [("forged", "d", 3)])


def test_missing_events_are_found_by_what_follows(log: list[Event]) -> None:
    without_one = [event for event in log if event[0] != "e"]
    assert [kind for kind, _, _ in check(without_one)[1]] == ["forged"]
    without_a_transaction = [event for event in log if event[0] not in "def"]
    assert check(without_a_transaction) == (1, [("forged", "g", 2)])
    assert check(log[2:]) == (5, [("forged", "c", 1)])


def test_a_transaction_that_is_repeated_or_moved_is_forged(log: list[Event]) -> None:
    assert check([*log, *log[3:6]]) == (6, [("forged", "d", 3)])
    assert check([*log[:3], *log[6:], *log[3:6]])[1] == [("forged", "g", 2), ("forged", "d", 3)]


def test_a_transaction_of_another_partition_is_forged(log: list[Event]) -> None:
    assert check(log, place=Place(2, 3))[1][0] == ("forged", "c", 1)
    assert check(transaction([], "a"), place=Place(2, 3)) == (0, [("forged", "a", 1)])


def test_signatures_of_a_store_with_other_partitions_count_as_none_before_the_first_own(
    log: list[Event],
) -> None:
    restored = Place(1, 16)
    assert check(log, place=restored) == (0, [])
    assert check(transaction(log, "i", place=restored), place=restored) == (1, [])
    again = [*transaction(log, "i", place=restored), log[5]]
    assert check(again, place=restored) == (1, [("forged", "f", 1)])


def test_each_of_several_keys_counts(log: list[Event]) -> None:
    rotated = transaction(transaction(log, "i", key=OTHER_KEY), "j")
    assert check(rotated, KEY, OTHER_KEY) == (8, [])
    assert check(rotated) == (7, [("forged", "i", 1)])


@pytest.mark.parametrize("read", range(9))
def test_checking_goes_on_where_it_ended(log: list[Event], read: int) -> None:
    begun = any(signature for _, signature in log[:read])
    if begun and log[read - 1][1] is None:
        # Whoever goes on has read whole transactions
        return
    state = TransactionCheck[str](PLACE, [KEY.verifier], begun, list(map(leaf, log[:read])))
    signed, flaws = check([*log[read:], ("x", None)], state=state)
    assert flaws == [("unsigned", "x", 1)]
    assert signed == len(log[max(2, read) :])


def test_many_unsigned_events_are_not_held() -> None:
    old: list[Event] = [(f"old-{number}", None) for number in range(MAX_EVENTS + 10)]
    signed = transaction(old, "a", "b")
    assert check(signed) == (2, [])
    more: list[Event] = [(f"new-{number}", None) for number in range(MAX_EVENTS + 10)]
    count, flaws = check([*signed, *more])
    assert (count, flaws[0]) == (2, ("unsigned", "new-0", 1))
    assert sum(events for _, _, events in flaws) == len(more)
