"""The first read of both topics: it leaves out what costs less once everything was read."""

import sqlite3

from query_api.replica.past import CHECKPOINT_INTERVAL_VERSIONS, store_checkpoint
from query_api.replica.seals import sealed
from query_api.replica.tables import INDEXES


def is_first_read(db: sqlite3.Connection) -> bool:
    """Whether a partition has not been read to its end yet."""
    return db.execute("SELECT 1 FROM progress WHERE settled = 0").fetchone() is not None


def finish(db: sqlite3.Connection) -> None:
    """Create the indexes, and store what follows from the events: once, in the order of the titles.

    With each event it would be written at distant pages, more of them the more titles there are.
    """
    of_title, *others = INDEXES.split(";")
    try:
        db.execute(of_title)
    except sqlite3.IntegrityError:
        # Foreign events: of two with the same version the first counts
        db.execute(
            "DELETE FROM events WHERE place NOT IN (SELECT min(place) FROM events GROUP BY isbn, version)"
        )
        db.execute("UPDATE totals SET events = (SELECT count(*) FROM events)")
        db.execute(of_title)
    for index in others:
        db.execute(index)
    known = db.execute("SELECT isbn, min(at) FROM events GROUP BY isbn ORDER BY isbn")
    db.executemany("INSERT OR IGNORE INTO known VALUES (?, ?, ?)", map(sealed, known))
    for isbn, version in db.execute(
        "SELECT isbn, version FROM events WHERE version % ? = 0", (CHECKPOINT_INTERVAL_VERSIONS,)
    ).fetchall():
        store_checkpoint(db, isbn, version)
