"""What our own checker finds in names, events and answers that do not fit together."""

from typing import Any

import pytest

from tests.chaos.checker import Checker, Logged
from tests.chaos.history import Call, Return
from tests.chaos.names_checker import NamesChecker
from tests.chaos.names_log import Kind, NameRecord

ISBN, ANN, TOKEN, OTHER = "9780000000101", "ann", "p~" + "a" * 16, "p~" + "b" * 16
MS = 1_000_000
"""In ns. Both clocks are the same in these tests."""


def life(*kinds: Kind, token: str = TOKEN) -> list[NameRecord]:
    """Records of a borrower at 10, 20, 30 … ms; ``forgotten`` has the time of the tombstone."""
    records: list[NameRecord] = []
    for kind in kinds:
        at = records[-1].time if kind == "forgotten" else 10 * (len(records) + 1)
        user_id = "" if kind in ("erased", "forgotten") else ANN
        records.append(NameRecord(len(records), at, token, kind, user_id))
    return records


def event(version: int, kind: str, at: int, patron: str = TOKEN) -> Logged:
    return Logged(0, version, at, f"{ISBN}/{version}", f"c{version}", kind, {"isbn": ISBN}, patron)


def answer(what: str, end_ms: int = 60, **receipt: Any) -> Return:
    told = {"patron": TOKEN, "at": 0, "isbns": [], **receipt}
    return Return(MS, end_ms * MS, what, "", told if what not in ("unknown", "unwritable") else None)


def asked(*returns: Return, command: str = "ForgetPatron") -> Call:
    return Call("f", "desk", {"type": command, "user_id": ANN}, [MS], list(returns))


def violations(
    records: list[NameRecord], log: list[Logged], call: Call | None = None, *, ended: bool = False
) -> set[str]:
    checker = Checker(log, {})
    names = NamesChecker(checker, records, {"f": call or asked(answer("unknown"))}, 0)
    names.check()
    if ended:
        names.require_nobody()
    return set(checker.violations)


GONE = life("open", "closing", "erased", "forgotten")
LENT, RETURNED = event(1, "BookBorrowed", 5), event(2, "BookReturned", 8)


def test_a_borrower_who_was_forgotten_after_the_last_return_is_no_violation():
    assert not violations(GONE, [LENT, RETURNED], asked(answer("forgotten", at=30)), ended=True)


@pytest.mark.parametrize(
    ("expected", "records", "log"),
    [
        ("an open loan of a forgotten borrower", GONE, [LENT]),
        ("an event of a borrower who was forgotten before", GONE, [LENT, event(2, "BookReturned", 31)]),
        ("an event of a token without a name", GONE, [event(1, "BookBorrowed", 5, OTHER)]),
        ("a borrower with two living tokens", life("open") + life("open", token=OTHER), []),
        ("not one tombstone with one record that says when", life("open", "closing", "erased"), []),
        ("a borrower who was forgotten without being closed before", life("open", "erased", "forgotten"), []),
        ("a forgotten token that has a name again", [*GONE, *life("open")], []),
    ],
)
def test_names_and_events_that_do_not_fit_together(
    expected: str, records: list[NameRecord], log: list[Logged]
):
    assert expected in violations(records, log)


def test_nobody_is_forgotten_unasked():
    kept = asked(answer("unknown"), command="KeepPatron")
    assert violations(GONE, [], kept) == {"a borrower whom nobody asked to forget"}


def test_an_erasure_that_is_still_open_at_the_end_is_found():
    expected = {"an erasure that did not end when it was repeated"}
    assert violations(life("open", "closing"), [], ended=True) == expected


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("an accepted erasure that the names don't have", answer("forgotten", at=31)),
        ("a loan in the way of an erasure that no state explains", answer("open_loans", isbns=[ISBN])),
        ("'unwritable', though no foreign transaction was open", answer("unwritable")),
    ],
)
def test_answers_that_nothing_explains(expected: str, told: Return):
    assert expected in violations(life("open"), [], asked(told))


@pytest.mark.parametrize(
    ("records", "found"),
    [(life("open", "waiting"), True), (life("open", "waiting", "open"), False)],
)
def test_nothing_is_lent_after_an_erasure_was_confirmed_until_it_is_taken_back(
    records: list[NameRecord], found: bool
):
    confirmed = asked(answer("closing", end_ms=25, isbns=[ISBN]))
    late = event(1, "BookBorrowed", 40)
    assert ("a loan after the erasure was confirmed" in violations(records, [late], confirmed)) is found
