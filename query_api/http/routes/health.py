"""Whether the process lives, and whether it may be asked."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from query_api.documents import json_of
from query_api.http.freshness import Reading
from query_api.http.responses import json_response


class Health(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


class Readiness(Struct, frozen=True):
    """How far the replica is: ``ready`` once it caught up with the store's end at the process's start."""

    ready: bool
    position: str
    """What answers include, as ``partition:offset`` each."""
    behind: str
    """What is there and not included yet, as far as Kafka has told; empty: nothing."""
    trouble: str | None
    """Why nothing new can be read at the moment; null: it can."""


@get("/healthz", operation_id="health")
async def health() -> Health:
    """Liveness: the process answers."""
    return Health()


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
    ready = progress is not None and progress.ready
    answer = Readiness(ready, reading.position(), behind, reading.follower.trouble)
    response = json_response(json_of(answer), "no-store")
    response.status_code = 200 if ready else 503
    return response


routes: list[Any] = [health, readiness]
