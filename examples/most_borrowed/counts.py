"""Counts the loans of each title."""

from collections import Counter

from schemas.events import BookAdded, BookBorrowed, DetailsCorrected, Event
from schemas.records import Recorded


class Counts:
    """Loans by title since the first event."""

    def __init__(self) -> None:
        self._loans: Counter[str] = Counter()
        self._titles: dict[str, str] = {}

    def apply(self, recorded: Recorded[Event]) -> None:
        """Count the next event."""
        event = recorded.event
        match event:
            case BookAdded() | DetailsCorrected():
                self._titles[event.isbn] = event.title
            case BookBorrowed():
                self._loans[event.isbn] += 1
            case _:
                # Other events, including those of later releases, are not loans
                pass

    def top(self, count: int) -> list[tuple[int, str, str]]:
        """Return loans, ISBN and title of the ``count`` most borrowed titles; ties are sorted by ISBN."""
        ranked = sorted(self._loans.items(), key=lambda item: (-item[1], item[0]))
        return [(loans, isbn, self._titles.get(isbn, "")) for isbn, loans in ranked[:count]]
