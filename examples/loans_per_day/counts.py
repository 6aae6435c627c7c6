"""Loans by day in a database that also stores how far they were counted, in the same transaction.

The statements are the same for SQLite and PostgreSQL; only the marks of parameters differ.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from eventstore.reader import Batch
from schemas.events import BookBorrowed, Event

TABLES = (
    "CREATE TABLE IF NOT EXISTS loans_per_day (day TEXT PRIMARY KEY, loans BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS offsets (part INT PRIMARY KEY, next BIGINT NOT NULL)",
)
COUNT = (
    "INSERT INTO loans_per_day VALUES (?, ?) "
    "ON CONFLICT (day) DO UPDATE SET loans = loans_per_day.loans + excluded.loans"
)
ADVANCE = (
    "INSERT INTO offsets VALUES (?, ?) "
    "ON CONFLICT (part) DO UPDATE SET next = excluded.next WHERE offsets.next = ?"
)
"""Changes no row if the stored offset is not the one at which the batch starts."""


DAY_MS = 24 * 3600 * 1000


class TakenOver(Exception):
    """Another process has counted these events: the partition was assigned to it."""


class LoansPerDay:
    """The view, in ``database``: the file of an SQLite database, or ``postgresql://…``."""

    def __init__(self, database: str) -> None:
        self._database: Any
        if database.startswith("postgresql:"):
            import psycopg

            self._database, self._mark = psycopg.connect(database), "%s"
        else:
            self._database, self._mark = sqlite3.connect(database), "?"
        with self._transaction() as cursor:
            for table in TABLES:
                cursor.execute(table)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def offsets(self) -> dict[int, int]:
        """The offset of the next record to count, by partition."""
        with self._transaction() as cursor:
            return dict(cursor.execute("SELECT part, next FROM offsets").fetchall())

    def apply(self, batch: Batch[Event]) -> None:
        """Count the batch, and store how far the counts go. Raises TakenOver; then nothing has changed."""
        loans = Counter(
            record.event.timestamp // DAY_MS for record in batch if isinstance(record.event, BookBorrowed)
        )
        with self._transaction() as cursor:
            for part, end in sorted(batch.ends.items()):
                cursor.execute(self._sql(ADVANCE), (part, end, batch.starts[part]))
                if cursor.rowcount != 1:
                    raise TakenOver(f"another process has counted the loans of partition {part}")
            if loans:
                rows = [(_date(day), count) for day, count in sorted(loans.items())]
                cursor.executemany(self._sql(COUNT), rows)

    def rows(self) -> list[tuple[str, int]]:
        """Each day and the number of its loans."""
        with self._transaction() as cursor:
            found: list[tuple[str, int]] = cursor.execute(
                "SELECT day, loans FROM loans_per_day ORDER BY day"
            ).fetchall()
            return found

    def _sql(self, statement: str) -> str:
        return statement.replace("?", self._mark)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        cursor = self._database.cursor()
        try:
            yield cursor
        except BaseException:
            self._database.rollback()
            raise
        finally:
            cursor.close()
        self._database.commit()


def _date(day: int) -> str:
    """The date of a day that is counted from 1970, UTC."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()
