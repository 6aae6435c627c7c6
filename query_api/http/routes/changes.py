"""The feed of changes, and the changes in a range of the past."""

import asyncio
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
from query_api.documents import Change, Changes, json_of
from query_api.http import change_feed
from query_api.http.event_stream import EventStream
from query_api.http.freshness import Reading
from query_api.http.parameters import DEFAULT_LIMIT, LARGEST_LIMIT, AnyRequest, OfIsbn, parse_cursor_parameter
from query_api.http.responses import LINKED, NOT_STORED, page_response, problems
from query_api.http.routes.events import Cursor, OfPartition, Type, parse_filters
from query_api.queries.cursors import Number, make_cursor
from query_api.queries.events import EventFilters, find_events
from query_api.replica.replica import Read

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
    change_feed.Once | None,
    QueryParameter(
        description="shown (when not given): a change is sent once its title's row shows it; read: once its "
        "event can be read at `/events`, also while no projector runs.",
    ),
]
From = Annotated[
    str | None,
    QueryParameter(
        name="from", min_length=3, max_length=4000,
        description="Changes of the past as JSON: after this position, or at or after this time, RFC 3339 "
        "with an offset.",
    ),
]  # fmt: skip
To = Annotated[
    str | None,
    QueryParameter(
        min_length=3, max_length=4000,
        description="Changes of the past as JSON: up to this position or time, included.",
    ),
]  # fmt: skip
RangeLimit = Annotated[
    int | None,
    QueryParameter(
        ge=1, le=LARGEST_LIMIT,
        description=f"Items on a page of the past, at most; {DEFAULT_LIMIT} when not given.",
    ),
]  # fmt: skip
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID", max_length=4000, description="The id of the last event that arrived."
    ),
]


@get(
    "/changes", operation_id="follow_changes", status_code=200, response_headers=[LINKED],
    responses={
        200: ResponseSpec(
            str,
            description="Server-sent events; with `from` or `to` a page of JSON.",
            media_type="text/event-stream",
        ),
        **problems(400, 503),
    },
)  # fmt: skip
async def follow_changes(
    request: AnyRequest,
    reading: NamedDependency[Reading],
    read: NamedDependency[Read],
    since: Since = None,
    once: WhenSent = None,
    last_event_id: LastEventId = None,
    from_: From = None,
    to: To = None,
    limit: RangeLimit = None,
    cursor: Cursor = None,
    type_: Type = None,
    isbn: OfIsbn = None,
    partition: OfPartition = None,
) -> ASGIApp:
    """Every change as soon as it can be read, as server-sent events that can be resumed.

    With `from` or `to` instead the changes in that range of the past, oldest first, as pages of JSON.
    """
    if from_ is not None or to is not None:
        if (since, once, last_event_id) != (None, None, None):
            raise Problem(
                400,
                "range_and_stream",
                "since, once and Last-Event-ID are for the stream, without from and to",
            )
        filters = parse_filters(
            reading, type_, isbn, partition, ("from", from_), ("to", to), descending=False
        )
        return await _past_changes(request, read, filters, limit or DEFAULT_LIMIT, cursor)
    if (limit, cursor, type_, isbn, partition) != (None,) * 5:
        raise Problem(
            400, "filters_without_range",
            "limit, cursor, type, isbn and partition are for a range of the past: give from or to",
        )  # fmt: skip
    after = _offsets(last_event_id or since, reading)
    if reading.readers >= MOST_READERS:
        raise Problem(
            503, "too_many_readers", f"{MOST_READERS} readers follow already", headers={"Retry-After": "10"}
        )
    # It outlives the transaction: it reads again and again
    replica = reading.replica()
    events = change_feed.change_events(reading, replica, after, once or "shown")
    if request.scope["state"]["head"]:
        # The response to GET never ends
        events = _no_events()
    return EventStream(reading.counted(events), partial(change_feed.backlog_exceeded, reading, replica))


async def _past_changes(
    request: AnyRequest, read: Read, filters: EventFilters, limit: int, cursor: str | None
) -> ASGIApp:
    question = ["changes", filters]
    start = parse_cursor_parameter(cursor, question, dict[int, Number])
    found, following = await asyncio.to_thread(find_events, read.db, read.progress, filters, limit, start)
    changes = [Change(e.isbn, e.version, e.type, e.time, e.position) for e in found]
    next_cursor = None if following is None else make_cursor(question, following)
    body = json_of(Changes(changes, next_cursor))
    return page_response(request, body, next_cursor, NOT_STORED).to_asgi_response(None, request)


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
