"""Totals of the inventory, for people and for Prometheus."""

import asyncio
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from foundation.http.app import METRICS_TYPE
from query_api.documents import Count, json_of
from query_api.http.freshness import Reading
from query_api.http.metrics import Metrics
from query_api.http.responses import CACHED, NOT_STORED, json_response, problems
from query_api.http.totals import lags, read_totals
from query_api.replica.replica import Read


class Stats(Struct, frozen=True):
    """Totals of the inventory, as far as this replica has read."""

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
    """Offsets of the store, by partition, that answers do not include yet, by Kafka's last answer."""


@get("/stats", responses=problems(400, 503), operation_id="stats")
async def stats(read: NamedDependency[Read], reading: NamedDependency[Reading]) -> Response[Stats]:
    """Titles, copies, loans, events, and this replica's lag."""
    behind = lags(reading)
    totals = read_totals(read.db)
    answer = Stats(
        totals.titles, totals.removed, totals.held, totals.copies, totals.available,
        totals.copies - totals.available, totals.events, {str(p): lag for p, lag in behind.items()},
    )  # fmt: skip
    return json_response(json_of(answer), CACHED)


@get(
    "/metrics", operation_id="metrics",
    responses={200: ResponseSpec(str, description="Prometheus' text format.", media_type="text/plain")},
)  # fmt: skip
async def metrics(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Metrics in Prometheus' text format."""
    text = await asyncio.to_thread(metrics.text)
    return Response(text, media_type=METRICS_TYPE, headers={"Cache-Control": NOT_STORED})


routes: list[Any] = [stats, metrics]
