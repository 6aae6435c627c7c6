"""Open loans, and whether their borrowers were reminded, in an SQLite file."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from eventstore.recorded import Recorded
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookReturned,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)

TABLES = """
CREATE TABLE IF NOT EXISTS titles (isbn TEXT PRIMARY KEY, version INT NOT NULL, title TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS loans (
    isbn TEXT, user_id TEXT, due_at INT NOT NULL, reminded INT NOT NULL DEFAULT 0,
    PRIMARY KEY (isbn, user_id)
);
"""


class Overdue(NamedTuple):
    """A loan whose due date (ms since 1970, UTC) has passed."""

    isbn: str
    title: str
    user_id: str
    due_at: int


class Loans:
    """The view, stored in ``file``."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        self._database.executescript(TABLES)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def apply(self, recorded: Recorded[Event]) -> None:
        """Apply one event in a transaction of its own."""
        self.apply_batch([recorded])

    def apply_batch(self, batch: Iterable[Recorded[Event]]) -> None:
        """Apply events in one transaction. Repeated events change nothing."""
        records = list(batch)
        with self._database:
            versions = self._versions({record.event.isbn for record in records})
            titles: dict[str, str] = {}
            loans: dict[tuple[str, str], int | None] = {}
            for record in records:
                event = record.event
                if record.version <= versions.get(event.isbn, 0):
                    continue
                versions[event.isbn] = record.version
                match event:
                    case BookAdded() | DetailsCorrected():
                        titles[event.isbn] = event.title
                    case BookBorrowed() | LoanRenewed():
                        loans[event.isbn, event.user_id] = event.due_at
                    case BookReturned() | CopiesWithdrawn():
                        loans[event.isbn, event.user_id or ""] = None
                    case _:
                        # Other events, including those of later releases, do not change loans
                        pass
            self._store(versions, titles, loans)

    def _versions(self, isbns: set[str]) -> dict[str, int]:
        """The version of each known title."""
        query = "SELECT isbn, version FROM titles WHERE isbn IN (SELECT value FROM json_each(?))"
        return dict(self._database.execute(query, (json.dumps(list(isbns)),)))

    def _store(
        self, versions: dict[str, int], titles: dict[str, str], loans: dict[tuple[str, str], int | None]
    ) -> None:
        """Store what changed; a loan without a due date is closed."""
        self._database.executemany(
            "INSERT INTO titles VALUES (?1, ?2, coalesce(?3, '')) "
            "ON CONFLICT DO UPDATE SET version = ?2, title = coalesce(?3, title)",
            [(isbn, version, titles.get(isbn)) for isbn, version in versions.items()],
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO loans (isbn, user_id, due_at) VALUES (?, ?, ?)",
            [(*loan, due_at) for loan, due_at in loans.items() if due_at is not None],
        )
        self._database.executemany(
            "DELETE FROM loans WHERE isbn = ? AND user_id = ?",
            [loan for loan, due_at in loans.items() if due_at is None],
        )

    def overdue(self, now: int) -> Iterator[Overdue]:
        """Yield loans that are overdue at ``now`` (ms) and not yet reminded, the oldest first.

        A loan counts as reminded when the caller requests the next one.
        """
        found = self._database.execute(
            "SELECT isbn, title, user_id, due_at FROM loans JOIN titles USING (isbn) "
            "WHERE due_at < ? AND NOT reminded ORDER BY due_at, isbn, user_id",
            (now,),
        ).fetchall()
        for row in found:
            yield Overdue(*row)
            with self._database:
                self._database.execute(
                    "UPDATE loans SET reminded = 1 WHERE isbn = ? AND user_id = ?", (row[0], row[2])
                )
