"""The titles that differ between two moments."""

import asyncio
from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from foundation.http.problem import Problem
from query_api.documents import Differences, json_of
from query_api.http.inventory_reads import parse_moment
from query_api.http.parameters import (
    DEFAULT_LIMIT,
    LONGEST_TIME,
    AnyRequest,
    Cursor,
    Limit,
    OfIsbn,
    parse_cursor_parameter,
    parse_isbn_parameter,
)
from query_api.http.responses import CACHED, LINKED, page_response, problems
from query_api.queries.cursors import Number, make_cursor
from query_api.queries.diff import Moments, differences_between
from query_api.replica.replica import Read

From = Annotated[
    str | None,
    QueryParameter(
        name="from", min_length=1, max_length=LONGEST_TIME,
        description="The earlier moment, RFC 3339 with an offset. Left out: before the first event.",
    ),
]  # fmt: skip
To = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=LONGEST_TIME,
        description="The later moment, RFC 3339 with an offset. Left out: after the last event.",
    ),
]  # fmt: skip
BEFORE_EVERYTHING, AFTER_EVERYTHING = -(1 << 62), 1 << 62


@get("/diff", operation_id="list_differences", response_headers=[LINKED], responses=problems(400, 503))
async def list_differences(
    request: AnyRequest,
    read: NamedDependency[Read],
    from_: From = None,
    to: To = None,
    isbn: OfIsbn = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response[Differences]:
    """The titles that differ between two moments, by ISBN, with the values of the fields that differ."""
    before, after = parse_moment(from_), parse_moment(to)
    moments = Moments(
        BEFORE_EVERYTHING if before is None else before,
        AFTER_EVERYTHING if after is None else after,
        None if isbn is None else parse_isbn_parameter(isbn),
    )
    if moments.before > moments.after:
        raise Problem(400, "bad_range", "from is later than to")
    question = ["diff", moments]
    start = parse_cursor_parameter(cursor, question, Number)
    found, following = await asyncio.to_thread(
        differences_between, read.db, read.past, moments, limit, -1 if start is None else start
    )
    next_cursor = None if following is None else make_cursor(question, following)
    return page_response(request, json_of(Differences(found, next_cursor)), next_cursor, CACHED)


routes: list[Any] = [list_differences]
