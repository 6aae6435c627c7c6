"""How often each title was borrowed."""

from collections import Counter

from schemas.events import BookAdded, BookBorrowed, DetailsCorrected
from schemas.records import Recorded


class Counts:
    """Loans by title, since the first event."""

    def __init__(self) -> None:
        self._loans: Counter[str] = Counter()
        self._titles: dict[str, str] = {}

    def apply(self, recorded: Recorded) -> None:
        """Take the next event in."""
        event = recorded.event
        match event:
            case BookAdded() | DetailsCorrected():
                self._titles[event.isbn] = event.title
            case BookBorrowed():
                self._loans[event.isbn] += 1
            case _:
                # Other events, also ones that a later release brings, are no loans
                pass

    def top(self, count: int) -> list[tuple[int, str, str]]:
        """Loans, ISBN and title of the ``count`` titles that were borrowed most; equal ones by ISBN."""
        ranked = sorted(self._loans.items(), key=lambda item: (-item[1], item[0]))
        return [(loans, isbn, self._titles.get(isbn, "")) for isbn, loans in ranked[:count]]
