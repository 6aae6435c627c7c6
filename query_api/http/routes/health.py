"""Whether the replica can answer."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from query_api.documents import json_of
from query_api.http.freshness import Reading
from query_api.http.responses import NOT_STORED, json_response


class Readiness(Struct, frozen=True):
    """The replica's progress. ``ready``: it has reached the store's end as it was at the process's start."""

    ready: bool
    position: str
    """The position of answers: ``partition:offset`` of each partition."""
    behind: str
    """The part of the store that answers don't include yet, by Kafka's last answer; empty: none."""
    trouble: str | None
    """Why nothing new can be read at the moment; null: it can."""
    instance: str
    """Which process answers, where several share an address."""
    service: str = "api"
    """Which service answers."""
    table: int = 1
    """The number of the inventory table that answers come from; `library rebuild` makes others."""


@get(
    "/readyz", operation_id="readiness",
    responses={503: ResponseSpec(Readiness, description="Not caught up yet.", generate_examples=False)},
)  # fmt: skip
async def readiness(reading: NamedDependency[Reading]) -> Response[Readiness]:
    """Readiness: 200 once everything was read that was there when the process started."""
    progress, ends = reading.progress(), reading.follower.ends
    behind = ""
    if progress is not None and ends is not None:
        at = progress.offsets()
        behind = ",".join(f"{p}:{end - 1}" for p, end in enumerate(ends.events) if end - 1 > at[p])
    ready = reading.ready
    answer = Readiness(
        ready,
        reading.position(),
        behind,
        reading.trouble,
        reading.instance,
        table=reading.follower.table,
    )
    response = json_response(json_of(answer), NOT_STORED)
    response.status_code = 200 if ready else 503
    return response


routes: list[Any] = [readiness]
