"""The inventory: pages of titles, one title, its history; now and at any time."""

import asyncio
import time
from typing import Annotated, Any, Literal

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from foundation.http.problem import Problem
from query_api.documents import History, TitleDocument, Titles, json_of, page_of, title_document
from query_api.http.parameters import (
    AnyRequest,
    Cursor,
    IsbnPath,
    Limit,
    parse_cursor_parameter,
    parse_isbn_parameter,
    parse_time_parameter,
)
from query_api.http.responses import CACHED, LINKED, NOT_STORED, json_response, page_response, problems
from query_api.queries.cursors import Number, make_cursor
from query_api.queries.history import events_of
from query_api.queries.page import TitleFilters, TitleKey, TitlePage
from query_api.queries.past import titles_at
from query_api.queries.titles import find_titles, title_json
from query_api.replica.past import row_at
from query_api.replica.replica import Replica
from schemas.times import rfc3339

Sort = Literal["isbn", "-isbn", "title", "-title", "author", "-author", "updated_at", "-updated_at"]
At = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=40, description="As it was at this time, RFC 3339 with an offset.",
    ),
]  # fmt: skip
Version = Annotated[
    int | None,
    QueryParameter(ge=1, le=2**63 - 1, description="As it was after this many events of the title."),
]
Query = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=200,
        description="Words of title or author, or their beginnings; case and accents don't matter.",
    ),
]  # fmt: skip
Author = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=200,
        description="Words of the author, or their beginnings; case and accents don't matter.",
    ),
]  # fmt: skip
Available = Annotated[
    bool | None, QueryParameter(description="true: with a copy on the shelf; false: with none.")
]
Held = Annotated[
    bool | None, QueryParameter(description="true: with an event that can't be applied; false: without.")
]


@get("/", responses=problems(400, 503), response_headers=[LINKED], operation_id="list_inventory")
async def list_inventory(
    request: AnyRequest,
    replica: NamedDependency[Replica],
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Query = None,
    author: Author = None,
    available: Available = None,
    held: Held = None,
    sort: Annotated[Sort, QueryParameter(description="Order; `-` before it: downwards.")] = "isbn",
    at: At = None,
) -> Response[Titles]:
    """Titles of the inventory, page by page."""
    moment = None if at is None else parse_time_parameter(at, _now())
    filters = TitleFilters(q, available, sort, moment, author, held)
    question = ["inventory", filters]
    start = parse_cursor_parameter(cursor, question, TitleKey)
    if filters.at is not None:
        if filters.column != "isbn":
            raise Problem(400, "bad_sort", "the inventory of the past is sorted by isbn only")
        found = await asyncio.to_thread(_past_page, replica, filters, limit, start)
    elif (q, author, available, held) == (None, None, None, None):
        found = find_titles(replica.reader(), filters, limit, start)
    else:
        found = await asyncio.to_thread(_page, replica, filters, limit, start)
    next_cursor = None if found.following is None else make_cursor(question, found.following)
    return page_response(request, page_of(found.bodies, next_cursor), next_cursor, CACHED)


@get("/{isbn:str}", operation_id="get_title", responses=problems(400, 404, 410, 503))
async def get_title(
    replica: NamedDependency[Replica],
    isbn: IsbnPath,
    at: At = None,
    version: Version = None,
) -> Response[TitleDocument]:
    """One title."""
    number = parse_isbn_parameter(isbn)
    if at is not None and version is not None:
        raise Problem(400, "at_and_version", "give a time or a version, not both")
    if at is not None or version is not None:
        moment = None if at is None else parse_time_parameter(at, _now())
        return json_response(_past_of(replica, number, version, moment), CACHED)
    return json_response(_present(replica, number), CACHED)


@get(
    "/{isbn:str}/history", operation_id="get_history", response_headers=[LINKED],
    responses=problems(400, 404, 503),
)  # fmt: skip
async def get_history(
    request: AnyRequest,
    replica: NamedDependency[Replica],
    isbn: IsbnPath,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[History]:
    """The events of a title, first to last."""
    number = parse_isbn_parameter(isbn)
    question = ["history", number]
    start = parse_cursor_parameter(cursor, question, Number) or 0
    found, following = events_of(replica.reader(), number, limit, start)
    if not found and not start:
        raise _unknown(number)
    next_cursor = None if following is None else make_cursor(question, following)
    body = json_of(History(f"{number:013}", found, next_cursor))
    return page_response(request, body, next_cursor, NOT_STORED)


def removed(isbn: int, at: int, version: int) -> Problem:
    """The answer for a title that is not in the inventory any more."""
    when = rfc3339(at)
    detail = f"{isbn:013} was removed on {when}; /inventory/{isbn:013}/history says what happened"
    return Problem(410, "removed", detail, removed_at=when, version=version)


def _unknown(isbn: int) -> Problem:
    return Problem(404, "unknown_title", f"{isbn:013} is not in the inventory and never was")


def _present(replica: Replica, isbn: int) -> bytes:
    """The title's document. Raises Problem if it is not in the inventory now."""
    found = title_json(replica.reader(), isbn)
    if found is None:
        raise _unknown(isbn)
    body, absent, version, updated_at = found
    if absent:
        raise removed(isbn, updated_at, version)
    return body


def _past_of(replica: Replica, isbn: int, version: int | None, at: int | None) -> bytes:
    db = replica.reader()
    row = row_at(db, isbn, version=version, at=at)
    if row is None:
        if events_of(db, isbn, 1, 0)[0]:
            raise Problem(404, "not_yet", f"{isbn:013} was not in the inventory yet at that time")
        raise _unknown(isbn)
    if version is not None and not events_of(db, isbn, 1, version - 1)[0]:
        raise Problem(404, "no_such_version", f"{isbn:013} has no version {version} yet")
    if row.removed:
        raise removed(isbn, row.updated_at, row.version)
    return json_of(title_document(row))


def _page(replica: Replica, filters: TitleFilters, limit: int, start: TitleKey | None) -> TitlePage:
    return find_titles(replica.reader(), filters, limit, start)


def _past_page(replica: Replica, filters: TitleFilters, limit: int, start: TitleKey | None) -> TitlePage:
    return titles_at(replica.reader(), filters, limit, start)


def _now() -> int:
    return int(time.time() * 1000)


router: Any = Router(path="/inventory", route_handlers=[list_inventory, get_title, get_history])
