"""A generated workload: commands of borrowers and librarians, decided by the project's own rules."""

from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stdnum import ean

from inventory import rules
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
from inventory.due_dates import due_at
from schemas.events import Event

OPENED = 1_420_070_400_000
"""Time of the first event: 2015-01-01, in ms. Kafka refuses the future, and 10,000,000 events take years."""
DAY = 86_400_000
LOAN_DAYS = 21
BORROWERS = 5_000
_UTC = ZoneInfo("UTC")
_WORDS = ["river", "stone", "winter", "garden", "letter", "shadow", "island", "engine", "silver", "morning"]
_SURNAMES = [
    "Woolf",
    "Baldwin",
    "Achebe",
    "Borges",
    "Lispector",
    "Čapek",
    "Undset",
    "Tanizaki",
    "Morrison",
    "Brontë",
    "Levi",
    "Szymborska",
]


class Step(NamedTuple):
    """An accepted command, its event, and the event's version."""

    command: Command
    version: int
    event: Event


def workload(titles: int, seed: int, zipf: float = 0.0) -> Iterator[Step]:
    """Generate accepted commands and their events without end; the same for the same arguments.

    Titles are drawn evenly, which is the hardest case for a projector that writes a title once per batch;
    with ``zipf`` title n is drawn in proportion to n ** -zipf, as a few books are lent all the time. A title
    comes in when it is first drawn. Of 1,000 events about 460 lend, 370 take back, 50 add titles, 45 renew,
    60 change copies or details, 3 remove a title.
    """
    random = Random(seed)
    isbns = _isbns(titles, random)
    draw = _draw(titles, zipf, random)
    states, versions = [rules.UNKNOWN] * titles, [0] * titles
    at, due = OPENED, 0
    while True:
        at += int(random.random() * 20_000)
        if due < at + LOAN_DAYS * DAY:
            due = due_at(at, LOAN_DAYS, _UTC)
        drawn = draw()
        title = states[drawn]
        command = _command(isbns[drawn], drawn, title, random)
        decision = rules.decide(title, command, at, due)
        if isinstance(decision, rules.Rejection) or not decision:
            continue
        (event,) = decision
        states[drawn] = rules.evolve(title, event)
        versions[drawn] += 1
        yield Step(command, versions[drawn], event)


def _draw(titles: int, zipf: float, random: Random) -> Callable[[], int]:
    if not zipf:
        return lambda: int(random.random() * titles)
    weights = list(accumulate(number**-zipf for number in range(1, titles + 1)))
    return lambda: bisect(weights, random.random() * weights[-1], hi=titles - 1)


def _isbns(titles: int, random: Random) -> list[str]:
    bodies = [f"978{number:09d}" for number in random.sample(range(10**9), titles)]
    return [body + str(ean.calc_check_digit(body)) for body in bodies]


def _command(isbn: str, number: int, title: rules.Title, random: Random) -> Command:
    chance = random.random()
    if not title.present:
        return AddBook(isbn, *_details(number, random), quantity=1 + int(random.random() * 5))
    if chance < 0.87:
        # As many returns as loans: shelves neither empty nor fill
        if title.loans and (chance < 0.42 or not title.available):
            return ReturnBook(isbn, _borrower(title, random))
        return BorrowBook(isbn, f"reader-{int(random.random() * BORROWERS):05d}")
    if chance < 0.94 and title.loans:
        return RenewLoan(isbn, _borrower(title, random))
    if chance < 0.96:
        return AddCopies(isbn, 1 + int(random.random() * 3))
    if chance < 0.975:
        if title.loans and chance < 0.965:
            return WithdrawCopies(isbn, 1, "lost", _borrower(title, random))
        return WithdrawCopies(isbn, 1, "damaged")
    if chance < 0.99:
        return CorrectDetails(isbn, *_details(number, random))
    return RemoveBook(isbn)


def _borrower(title: rules.Title, random: Random) -> str:
    borrowers = tuple(title.loans)
    return borrowers[int(random.random() * len(borrowers))]


def _details(number: int, random: Random) -> tuple[str, str]:
    words = " ".join(random.choices(_WORDS, k=3))
    return f"The {words.title()}, vol. {number}", f"{random.choice(_SURNAMES)}, {chr(65 + number % 26)}."
