"""Each event as a row in an SQLite file, and the offsets in the same transactions."""

import sqlite3
from pathlib import Path

from eventstore.reader import Batch
from examples.loans_per_day.counts import ADVANCE, TakenOver
from schemas.events import Event

TABLES = (
    "CREATE TABLE IF NOT EXISTS events (isbn TEXT, version INT, type TEXT, at INT)",
    "CREATE TABLE IF NOT EXISTS offsets (part INT PRIMARY KEY, next INT)",
)
STATEMENT_ROWS = 50
"""Inserted by one statement: half of the time of a statement for each."""
ROW_VALUES = 4
"""In such a row."""
LOCK_TIMEOUT_S = 60
"""How long a transaction waits for that of another process."""


class EventRows:
    """The rows in ``file``. Several processes may store them, each those of its partitions."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, LOCK_TIMEOUT_S)
        # A crash of the machine may undo the last transactions, their offsets among them: they are read again
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        for table in TABLES:
            self._database.execute(table)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def offsets(self) -> dict[int, int]:
        """The offset of the next event to store, by partition."""
        return dict(self._database.execute("SELECT part, next FROM offsets"))

    def store(self, batch: Batch[Event]) -> None:
        """Store the batch and its ends. Raises TakenOver if another process has stored its events."""
        values = list[object]()
        for one in batch:
            event = one.event
            values += event.isbn, one.version, one.type, event.timestamp
        with self._database:
            for part, end in batch.ends.items():
                if self._database.execute(ADVANCE, (part, end, batch.starts[part])).rowcount != 1:
                    raise TakenOver(f"another process has the events of partition {part}")
            for first in range(0, len(values), STATEMENT_ROWS * ROW_VALUES):
                some = values[first : first + STATEMENT_ROWS * ROW_VALUES]
                places = ", ".join(["(?, ?, ?, ?)"] * (len(some) // ROW_VALUES))
                self._database.execute(f"INSERT INTO events VALUES {places}", some)

    def count(self) -> int:
        """The number of rows."""
        (rows,) = self._database.execute("SELECT count(*) FROM events").fetchone()
        return int(rows)
