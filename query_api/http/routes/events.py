"""The events of all titles, and one event whole."""

import asyncio
from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from eventstore.positions import BadPosition, parse_positions
from foundation.http.problem import Problem
from query_api.documents import Events, Record, json_of
from query_api.following.source import KafkaException, KafkaUnavailable
from query_api.http.freshness import Reading
from query_api.http.parameters import (
    AnyRequest,
    Limit,
    OfIsbn,
    parse_cursor_parameter,
    parse_isbn_parameter,
)
from query_api.http.patrons import Patrons
from query_api.http.responses import LINKED, NOT_STORED, json_response, page_response, problems
from query_api.queries.cursors import Number, make_cursor
from query_api.queries.events import EventFilters, find_events
from query_api.queries.records import UNKNOWN, record_document
from query_api.replica.replica import Read
from schemas.events import TYPES
from schemas.times import BadTime, parse_time

RECORD_TIMEOUT_S = 5.0
"""For Kafka to return one record."""
EVENT_TYPES = (*sorted(kind.__name__ for kind in TYPES), UNKNOWN)

Cursor = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=8000, description="The `next_cursor` of the page before."),
]
Type = Annotated[
    str | None,
    QueryParameter(
        name="type", min_length=1, max_length=40,
        description=f"Of this type: {', '.join(EVENT_TYPES)} (this release does not know it).",
    ),
]  # fmt: skip
OfPartition = Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1, description="Of this partition.")]
Since = Annotated[
    str | None,
    QueryParameter(
        min_length=3, max_length=4000,
        description="After this position, for example an answer's `Inventory-Position`; or at or after this "
        "time, RFC 3339 with an offset.",
    ),
]  # fmt: skip
Until = Annotated[
    str | None,
    QueryParameter(min_length=3, max_length=4000, description="Up to this position or time, included."),
]
Partition = Annotated[int, PathParameter(ge=0, le=2**31 - 1, description="Before the colon of a position.")]
Offset = Annotated[int, PathParameter(ge=0, le=2**62, description="After the colon of a position.")]


@get("/events", operation_id="list_events", response_headers=[LINKED], responses=problems(400, 503))
async def list_events(
    request: AnyRequest,
    read: NamedDependency[Read],
    reading: NamedDependency[Reading],
    patrons: NamedDependency[Patrons],
    limit: Limit = 50,
    cursor: Cursor = None,
    sort: Annotated[
        Literal["time", "-time"], QueryParameter(description="-time: newest first; time: oldest first.")
    ] = "-time",
    type_: Type = None,
    isbn: OfIsbn = None,
    partition: OfPartition = None,
    since: Since = None,
    until: Until = None,
) -> Response[Events]:
    """The events of all titles, newest or oldest first."""
    filters = parse_filters(
        reading, type_, isbn, partition, ("since", since), ("until", until), descending=sort == "-time"
    )
    question = ["events", filters]
    start = parse_cursor_parameter(cursor, question, dict[int, Number])
    found, following = await asyncio.to_thread(find_events, read.db, read.progress, filters, limit, start)
    await patrons.name_events(found)
    next_cursor = None if following is None else make_cursor(question, following)
    return page_response(request, json_of(Events(found, next_cursor)), next_cursor, NOT_STORED)


@get(
    "/events/{partition:int}/{offset:int}", operation_id="get_event", responses=problems(400, 404, 503)
)  # fmt: skip
async def get_event(
    reading: NamedDependency[Reading],
    patrons: NamedDependency[Patrons],
    partition: Partition,
    offset: Offset,
) -> Response[Record]:
    """One event whole, with its headers and bytes, read from the event store."""
    reading.check_partitions({partition: 0})
    try:
        message = await asyncio.to_thread(reading.record, partition, offset, RECORD_TIMEOUT_S)
    except (KafkaException, KafkaUnavailable) as error:
        raise Problem(
            503, "kafka_unavailable", f"the event store can't be read: {error}; try again",
            headers={"Retry-After": "1"},
        ) from error  # fmt: skip
    if message is None:
        raise Problem(
            404, "no_such_event",
            f"there is no event at {partition}:{offset}: nothing yet, or the marker of a transaction",
        )  # fmt: skip
    record = record_document(message)
    await patrons.name_data([record.data])
    return json_response(json_of(record), NOT_STORED)


def parse_filters(
    reading: Reading,
    type_: str | None,
    isbn: str | None,
    partition: int | None,
    since: tuple[str, str | None],
    until: tuple[str, str | None],
    *,
    descending: bool,
) -> EventFilters:
    """The filters in a request's parameters; the bounds come with their names. Raises Problem 400."""
    if type_ is not None and type_ not in EVENT_TYPES:
        raise Problem(400, "bad_type", f"{type_[:40]!r} is no type of event: {', '.join(EVENT_TYPES)}")
    if partition is not None:
        reading.check_partitions({partition: 0})
    first, last = parse_moment_parameter(*since, reading), parse_moment_parameter(*until, reading)
    if isinstance(first, int) and isinstance(last, int) and first > last:
        raise Problem(400, "bad_range", f"{since[0]} is later than {until[0]}")
    return EventFilters(
        type_, None if isbn is None else parse_isbn_parameter(isbn), partition, first, last, descending
    )


def parse_moment_parameter(name: str, text: str | None, reading: Reading) -> dict[int, int] | int | None:
    """Offsets by partition, or a time in ms. Raises Problem 400."""
    if text is None:
        return None
    try:
        if set(text) <= set("0123456789:, "):
            offsets = parse_positions(text)
            reading.check_partitions(offsets)
            return offsets
        return parse_time(text)
    except BadPosition as error:
        raise Problem(400, "bad_position", f"{name}: {error}") from error
    except BadTime as error:
        raise Problem(400, "bad_time", f"{name}: {error}; or give a position, for example 3:17") from error


routes: list[Any] = [list_events, get_event]
