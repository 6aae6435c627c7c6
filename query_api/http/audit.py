"""The audit of the system, as it reports itself."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from foundation.http.readiness import Report
from query_api.documents import Count

MOST_DIFFERENCES = 100
STALLED_AFTER_S = 120.0
"""As the alert LibraryGroupStandsStill."""
Seconds = Annotated[float, Meta(ge=0)]


class DifferenceOperation(Struct, frozen=True):
    """A title whose row is not as its events make it. ``summary`` names no borrowers.

    ``event`` is the position of its last event, ``record`` that of its row in the changelog; null: none.
    """

    isbn: str
    summary: str
    event: str | None
    record: str | None


class StallOperation(Struct, frozen=True):
    """A consumer group that has not moved in a partition for so many seconds, although events wait."""

    group: str
    partition: Count
    seconds: Seconds


class AuditOperation(Struct, frozen=True):
    """The audit, which compares every row with its events.

    ``differences`` are the titles whose row differs now, ``details`` some of them. ``oldest_seconds``: the
    age of the oldest row that was not compared since; null: unknown. Every row is to be compared within
    ``period_seconds``. ``stalls``: the groups that stand still, as the audit sees them at the log's end.
    """

    url: str
    ready: bool
    trouble: str
    rows_compared: Count = 0
    differences: Count = 0
    oldest_seconds: Seconds | None = None
    period_seconds: Seconds = 0
    details: list[DifferenceOperation] = []
    stalls: list[StallOperation] = []


class _Reported(Struct):
    ready: bool
    trouble: str
    rows_compared: int
    differences: int
    oldest_seconds: dict[str, float]
    period_seconds: float
    details: list[DifferenceOperation]
    stalls: list[StallOperation] = []


def audit_of(url: str, answer: Report | str) -> AuditOperation:
    """The audit at ``url``, by its report, or by the reason why there is none."""
    if isinstance(answer, str):
        return AuditOperation(url, False, answer)
    try:
        found = msgspec.convert(answer, _Reported)
    except msgspec.ValidationError as error:
        return AuditOperation(url, False, f"its report can't be read: {error}")
    return AuditOperation(
        url,
        found.ready,
        found.trouble or ("" if found.ready else "it starts"),
        found.rows_compared,
        found.differences,
        max(found.oldest_seconds.values(), default=None),
        found.period_seconds,
        found.details[:MOST_DIFFERENCES],
        [stall for stall in found.stalls if stall.seconds > STALLED_AFTER_S],
    )
