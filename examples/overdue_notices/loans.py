"""Open loans, and whether their borrowers were reminded, in an SQLite file."""

import sqlite3
from collections.abc import Iterator
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
        """Apply an event in one transaction. A repeated event changes nothing."""
        event = recorded.event
        with self._database:
            known = self._database.execute(
                "SELECT version FROM titles WHERE isbn = ?", (event.isbn,)
            ).fetchone()
            if known is not None and known[0] >= recorded.version:
                return
            self._database.execute(
                "INSERT INTO titles VALUES (?1, ?2, '') ON CONFLICT DO UPDATE SET version = ?2",
                (event.isbn, recorded.version),
            )
            match event:
                case BookAdded() | DetailsCorrected():
                    self._database.execute(
                        "UPDATE titles SET title = ? WHERE isbn = ?", (event.title, event.isbn)
                    )
                case BookBorrowed() | LoanRenewed():
                    self._database.execute(
                        "INSERT OR REPLACE INTO loans (isbn, user_id, due_at) VALUES (?, ?, ?)",
                        (event.isbn, event.user_id, event.due_at),
                    )
                case BookReturned() | CopiesWithdrawn():
                    self._database.execute(
                        "DELETE FROM loans WHERE isbn = ? AND user_id = ?", (event.isbn, event.user_id)
                    )
                case _:
                    # Other events, including those of later releases, do not change loans
                    pass

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
