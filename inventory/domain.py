"""The library as a Decider, for the engine."""

from functools import lru_cache
from zoneinfo import ZoneInfo

from eventstore.decider import Decider
from inventory import rules
from inventory.commands import Command
from inventory.due_dates import due_at
from inventory.rules import Decision, Title
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)
from schemas.records import EVENTS

_A, _T = "9781593275846", 1_764_000_000_000
GOLDEN: tuple[Event, ...] = (
    BookAdded(_A, "Title", "Author", 4, _T),
    BookBorrowed(_A, "ann", _T + 1, _T + 90),
    BookBorrowed(_A, "bob", _T + 2, _T + 90),
    BookBorrowed(_A, "cid", _T + 3, _T + 90),
    LoanRenewed(_A, "bob", _T + 4, _T + 120),
    BookReturned(_A, "ann", _T + 5),
    CopiesAdded(_A, 3, _T + 6),
    CopiesWithdrawn(_A, 1, "damaged", _T + 7, None),
    CopiesWithdrawn(_A, 1, "lost", _T + 8, "cid"),
    DetailsCorrected(_A, "Other title", "Other author", _T + 9),
    BookReturned(_A, "bob", _T + 10),
    BookRemoved(_A, _T + 11),
    BookAdded(_A, "Title", "Author", 1, _T + 12),
)
"""A title's life with every type of event; see ``Decider.golden``."""


def library(loan_days: int, timezone: str) -> Decider[Title, Command, Event]:
    """The library's rules. Loans are due ``loan_days`` later, at the end of the day in ``timezone``."""
    zone = ZoneInfo(timezone)
    # The commands of a batch share their time
    due = lru_cache(maxsize=4)(due_at)

    def decide(title: Title, command: Command, at: int) -> Decision:
        return rules.decide(title, command, at, due(at, loan_days, zone))

    return Decider(EVENTS, rules.UNKNOWN, decide, rules.evolve, lambda command: command.isbn, GOLDEN)
