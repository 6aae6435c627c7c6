"""The inventory in numbers."""

from typing import Any

from litestar import Response, get
from msgspec import Struct

from query_api.answers import Count, json_of
from query_api.reading import Reading
from query_api.replica import Replica
from query_api.responding import SHARED, json_response, problems


class Stats(Struct, frozen=True):
    """The inventory in numbers, as far as this replica has read."""

    titles: Count
    removed: Count
    """Titles that have left."""
    held: Count
    """Titles with an event that can't be applied."""
    copies: Count
    available: Count
    on_loan: Count
    events: Count
    lag: dict[str, Count]
    """Events that are in the store and not yet in the answers, by partition, as of Kafka's last word."""


@get("/stats", responses=problems(400, 503), operation_id="stats")
async def stats(replica: Replica, reading: Reading) -> Response[Stats]:
    """Titles, copies, loans, events, and how far behind this replica is."""
    lag = lags(reading)
    db = replica.reader()
    titles, removed, copies, available, events = db.execute(
        "SELECT titles, removed, copies, available, events FROM totals"
    ).fetchone()
    held = db.execute("SELECT count(*) FROM titles WHERE held = 1").fetchone()[0]
    answer = Stats(
        titles, removed, held, copies, available, copies - available, events,
        {str(partition): behind for partition, behind in lag.items()},
    )  # fmt: skip
    return json_response(json_of(answer), SHARED)


def lags(reading: Reading) -> dict[int, int]:
    """Offsets of the event store, by partition, that answers do not include yet."""
    progress, ends = reading.progress(), reading.follower.ends
    if progress is None or ends is None:
        return {}
    at = progress.offsets()
    return {p: max(0, end - 1 - at[p]) for p, end in enumerate(ends.events)}


routes: list[Any] = [stats]
