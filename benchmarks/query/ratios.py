"""The ratios that reads are judged by: measured with 32 connections in the same rounds."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from benchmarks.harness.load import CONNECTIONS, Load

OURS, PEER, EARLIER = "ours", "kafka-streams", "earlier"
"""Names of servers."""
NOT_KEPT = "one of all titles"


class Ratio(Struct, frozen=True):
    """Two figures compared; ``goal`` is the least, or with ``most`` the largest, that is aimed at."""

    compared: str
    ratio: float
    goal: float
    most: bool
    reached: bool


class _Compared(NamedTuple):
    compared: str
    one: tuple[str, str]
    """Server and case."""
    other: tuple[str, str]
    goal: float
    figure: str = "requests_per_second"
    most: bool = False


_COMPARED = (
    _Compared("page of 50 as of / now", (OURS, "page of 50 as of"), (OURS, "page of 50"), 0.3),
    _Compared("title as of / now, not kept", (OURS, "title as of"), (OURS, NOT_KEPT), 0.6),
    _Compared("title not kept / Kafka Streams", (OURS, NOT_KEPT), (PEER, NOT_KEPT), 1.3),
    _Compared("its p99 / Kafka Streams", (OURS, NOT_KEPT), (PEER, NOT_KEPT), 1.0, "p99_ms", most=True),
    _Compared("search / earlier release", (OURS, "search"), (EARLIER, "search"), 2.0),
)


def ratios(loads: Sequence[Load]) -> list[Ratio]:
    """The ratios of those servers and cases that were measured."""
    measured = {(load.name, load.case): load for load in loads if load.connections == max(CONNECTIONS)}
    found = []
    for compared, one, other, goal, figure, most in _COMPARED:
        if one in measured and other in measured:
            ratio = getattr(measured[one], figure) / getattr(measured[other], figure)
            reached = ratio <= goal if most else ratio >= goal
            found.append(Ratio(compared, round(ratio, 2), goal, most, reached))
    return found
