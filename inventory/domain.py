"""The library as a Decider: what the engine is handed."""

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

_A = "9781593275846"
GOLDEN: tuple[Event, ...] = (
    BookAdded(_A, "Title", "Author", 4, 1),
    BookBorrowed(_A, "ann", 2, 9),
    BookBorrowed(_A, "bob", 3, 9),
    BookBorrowed(_A, "cid", 4, 9),
    LoanRenewed(_A, "bob", 5, 12),
    BookReturned(_A, "ann", 6),
    CopiesAdded(_A, 3, 7),
    CopiesWithdrawn(_A, 1, "damaged", 8, None),
    CopiesWithdrawn(_A, 1, "lost", 9, "cid"),
    DetailsCorrected(_A, "Other title", "Other author", 10),
    BookReturned(_A, "bob", 11),
    BookRemoved(_A, 12),
    BookAdded(_A, "Title", "Author", 1, 13),
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
