"""Totals of the inventory, and the replica's lag."""

import sqlite3

from msgspec import Struct

from query_api.http.freshness import Reading
from query_api.replica.damage import fetch_all
from query_api.replica.replica import Replica


class Totals(Struct, frozen=True):
    """``unreadable`` counts records that name no title, by stream."""

    titles: int
    removed: int
    held: int
    copies: int
    available: int
    events: int
    unreadable: dict[str, int]


def read_totals(db: sqlite3.Connection) -> Totals:
    """The totals of the replica ``db``. They are kept up to date with every change, not counted here."""
    (totals,) = fetch_all(
        db,
        tuple[int, int, int, int, int],
        "SELECT titles, removed, copies, available, events FROM totals",
        rows=1,
    )
    titles, removed, copies, available, events = totals
    held = db.execute("SELECT count(*) FROM titles WHERE held = 1").fetchone()[0]
    unreadable = {"changelog": 0, "events": 0}
    unreadable.update(
        fetch_all(db, tuple[str, int], "SELECT stream, count(*) FROM unreadable GROUP BY stream")
    )
    return Totals(titles, removed, held, copies, available, events, unreadable)


def count_events(replica: Replica) -> int:
    """The number of events in the replica."""
    with replica.read() as read:
        ((events,),) = fetch_all(read.db, tuple[int], "SELECT events FROM totals", rows=1)
    return events


def lags(reading: Reading) -> dict[int, int]:
    """Offsets of the event store, by partition, that answers do not include yet, by Kafka's last answer."""
    progress, ends = reading.progress(), reading.follower.ends
    if progress is None or ends is None:
        return {}
    at = progress.offsets()
    return {p: max(0, end - 1 - at[p]) for p, end in enumerate(ends.events)}
