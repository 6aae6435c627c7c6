"""How far the inventory's tables are behind the event store."""

import time
from typing import TYPE_CHECKING

from msgspec import Struct

from eventstore.groups import lag
from eventstore.topics import events_topic
from library.store.groups import members
from library.store.offsets import beginning, committed, end
from query_api.following.source import Source
from schemas.tables import Tables, inventory_table

if TYPE_CHECKING:
    from foundation.settings import Settings

TIMES_TIMEOUT_S = 5.0


class TableProgress(Struct, frozen=True):
    """A table's progress. ``done`` and ``total`` count offsets, the markers of transactions included."""

    table: int
    role: str
    """``current``, ``rebuilt``, or ``kept`` after a switch."""
    group: str
    workers: int
    done: int
    total: int
    per_second: float | None
    """Since the start of the rebuild; None for other tables."""
    seconds_left: float | None
    """None: unknown, or nothing is left."""
    lag: int
    lag_seconds: float | None
    """The age of the oldest event that is not in the table; None: unknown."""


def progress_of(settings: "Settings", tables: Tables) -> list[TableProgress]:
    """The progress of each table, the oldest table first. Raises KafkaException."""
    topic = events_topic(settings)
    first, last = beginning(settings, topic), end(settings, topic)
    total = sum(last.values()) - sum(first.values())
    now, found = time.time(), []
    for number in tables.numbers:
        group = inventory_table(number).group_id(settings)
        offsets = committed(settings, topic, group)
        behind = lag(offsets, first, last)
        left = sum(behind.values())
        waiting = {p: max(first[p], offsets.get(p, 0)) for p in behind if behind[p]}
        done, rate = total - left, None
        if number == tables.rebuilt and left:
            rate = done / max(1.0, now - tables.started_at / 1000)
        found.append(
            TableProgress(
                table=number,
                role=_role(tables, number),
                group=group,
                workers=len(members(settings, group)),
                done=done,
                total=total,
                per_second=rate,
                seconds_left=left / rate if rate else None,
                lag=left,
                lag_seconds=_age(settings, waiting),
            )
        )
    return found


def _role(tables: Tables, number: int) -> str:
    if number == tables.current:
        return "current"
    return "rebuilt" if number == tables.rebuilt else "kept"


def _age(settings: "Settings", waiting: dict[int, int]) -> float | None:
    """The age in seconds of the oldest event at or after these offsets."""
    if not waiting:
        return 0.0
    times = Source(settings).times(waiting, TIMES_TIMEOUT_S)
    if len(times) < len(waiting):
        return None
    # Only transaction markers are left where there is no time
    oldest = min((at for at in times.values() if at is not None), default=None)
    return 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
