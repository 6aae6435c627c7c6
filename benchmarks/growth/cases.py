"""The stores that are compared: three sizes, and two shapes that share nothing out."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks.size.store import Store, drawn, filled
from foundation.settings import PREFIX, Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from inventory.isbn import in_house
from schemas.events import BookAdded, BookBorrowed, BookReturned
from tests.support.workload import OPENED, Step

PARTITIONS = f"{PREFIX}PARTITIONS"
HOT_COPIES = 100
LOAN_MS = 21 * 24 * 3600 * 1000


class Case(Struct, frozen=True):
    """A store to measure."""

    name: str
    titles: int
    events: int
    partitions: int = Settings().partitions
    steps: Callable[[int, int], Iterator[Step]] = drawn


def hot_title(titles: int, events: int) -> Iterator[Step]:
    """One title, whose copies are all on loan, or all but one."""
    assert titles == 1
    isbn, borrowers = in_house(0), deque[str]()
    details = (isbn, "The Hot Title", "A Writer", HOT_COPIES)
    yield Step(AddBook(*details), 1, BookAdded(*details, OPENED))
    for version in range(2, events + 1):
        at = OPENED + 1_000 * version
        if len(borrowers) == HOT_COPIES:
            user = borrowers.popleft()
            yield Step(ReturnBook(isbn, user), version, BookReturned(isbn, user, at))
        else:
            borrowers.append(user := f"reader-{version:07}")
            yield Step(BorrowBook(isbn, user), version, BookBorrowed(isbn, user, at, at + LOAN_MS))


CASES = {
    case.name: case
    for case in (
        Case("100,000 events", 5_000, 100_000),
        Case("1,000,000 events", 50_000, 1_000_000),
        Case("10,000,000 events", 500_000, 10_000_000),
        Case("one title", 1, 1_000_000, steps=hot_title),
        Case("one partition", 50_000, 1_000_000, partitions=1),
    )
}
SMALL, BASE, LARGE = tuple(CASES)[:3]
"""The cases of one shape; figures of all cases are compared with those of BASE."""


@contextmanager
def opened(kafka: str, folder: Path, case: Case) -> Iterator[Store]:
    """The filled store of a case; programs that are started meanwhile use its number of partitions."""
    name = case.name.replace(",", "").replace(" ", "-")
    before = os.environ.get(PARTITIONS)
    os.environ[PARTITIONS] = str(case.partitions)
    try:
        yield filled(kafka, folder / f"growth-{name}", case.titles, case.events, case.partitions, case.steps)
    finally:
        del os.environ[PARTITIONS]
        if before is not None:
            os.environ[PARTITIONS] = before
