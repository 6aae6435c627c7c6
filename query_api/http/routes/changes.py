"""The feed of changes."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import ASGIApp

from eventstore.positions import BadPosition
from foundation.http.problem import Problem
from query_api.http import change_feed
from query_api.http.event_stream import EventStream
from query_api.http.freshness import Reading
from query_api.http.parameters import AnyRequest
from query_api.http.responses import problems
from query_api.replica.replica import Replica

MOST_READERS = 1_000

Since = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=4000,
        description="Begin after this position, for example an answer's `Inventory-Position`; `start`: "
        "with the first event. The header `Last-Event-ID` takes precedence. Neither: from now on.",
    ),
]  # fmt: skip
WhenSent = Annotated[
    change_feed.Once,
    QueryParameter(
        description="shown: a change is sent once its title's row shows it; read: once its event can be read "
        "at `/events`, also while no projector runs.",
    ),
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID", max_length=4000, description="The id of the last event that arrived."
    ),
]


@get(
    "/changes", operation_id="follow_changes", status_code=200,
    responses={
        200: ResponseSpec(str, description="Server-sent events.", media_type="text/event-stream"),
        **problems(400, 503),
    },
)  # fmt: skip
async def follow_changes(
    request: AnyRequest,
    reading: NamedDependency[Reading],
    replica: NamedDependency[Replica],
    since: Since = None,
    once: WhenSent = "shown",
    last_event_id: LastEventId = None,
) -> ASGIApp:
    """Every change as soon as it can be read, as server-sent events that can be resumed."""
    after = _offsets(last_event_id or since, reading)
    if reading.readers >= MOST_READERS:
        raise Problem(
            503, "too_many_readers", f"{MOST_READERS} readers follow already", headers={"Retry-After": "10"}
        )
    events = change_feed.change_events(reading, replica, after, once)
    if request.scope["state"]["head"]:
        # The response to GET never ends
        events = _no_events()
    return EventStream(reading.counted(events), partial(change_feed.backlog_exceeded, reading, replica))


async def _no_events() -> AsyncIterator[bytes]:
    return
    yield


def _offsets(identifier: str | None, reading: Reading) -> dict[int, int] | None:
    if not identifier:
        return None
    try:
        found = change_feed.parse_id(identifier)
    except BadPosition as error:
        raise Problem(400, "bad_position", str(error)) from error
    reading.check_partitions(found)
    return found


routes: list[Any] = [follow_changes]
