"""The inventory: pages of titles, one title, its history; now and at any time."""

from typing import Annotated, Any

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import UNSET

from foundation.http.problem import Problem
from query_api.documents import History, TitleDocument, Titles, json_of
from query_api.following.evidence import Evidence
from query_api.http.inventory_reads import parse_moment, read_page, read_past_title, read_title, unknown
from query_api.http.parameters import (
    DEFAULT_LIMIT,
    LONGEST_TIME,
    LONGEST_WORDS,
    AnyRequest,
    Cursor,
    IsbnPath,
    Limit,
    parse_cursor_parameter,
    parse_isbn_parameter,
)
from query_api.http.patrons import Patrons
from query_api.http.proofs import MAX_PROVED_EVENTS, in_thread, prove_events
from query_api.http.responses import CACHED, LINKED, NOT_STORED, json_response, page_response, problems
from query_api.queries.cursors import Number, make_cursor
from query_api.queries.history import events_of
from query_api.queries.page import Sort, TitleFilters
from query_api.replica.replica import Read

At = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=LONGEST_TIME, description="As it was at this time, RFC 3339 with an offset.",
    ),
]  # fmt: skip
Version = Annotated[
    int | None,
    QueryParameter(ge=1, le=2**63 - 1, description="As it was after this many events of the title."),
]
Query = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=LONGEST_WORDS,
        description="Words of title or author, or their beginnings; case and accents don't matter.",
    ),
]  # fmt: skip
Author = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=LONGEST_WORDS,
        description="Words of the author, or their beginnings; case and accents don't matter.",
    ),
]  # fmt: skip
Available = Annotated[
    bool | None, QueryParameter(description="true: with a copy on the shelf; false: with none.")
]
Proof = Annotated[
    bool, QueryParameter(description="true: with a proof that a signed checkpoint includes the events.")
]
Held = Annotated[
    bool | None, QueryParameter(description="true: with an event that can't be applied; false: without.")
]


@get("/", responses=problems(400, 503), response_headers=[LINKED], operation_id="list_inventory")
async def list_inventory(
    request: AnyRequest,
    read: NamedDependency[Read],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    q: Query = None,
    author: Author = None,
    available: Available = None,
    held: Held = None,
    sort: Annotated[Sort, QueryParameter(description="Order; `-` before it: downwards.")] = "isbn",
    at: At = None,
) -> Response[Titles]:
    """Titles of the inventory, page by page."""
    filters = TitleFilters(q, available, sort, parse_moment(at), author, held)
    found = await read_page(read, filters, limit, cursor)
    return page_response(request, found.body, found.next_cursor, CACHED)


@get("/{isbn:str}", operation_id="get_title", responses=problems(400, 404, 410, 503))
async def get_title(
    read: NamedDependency[Read],
    isbn: IsbnPath,
    at: At = None,
    version: Version = None,
) -> Response[TitleDocument]:
    """One title."""
    number = parse_isbn_parameter(isbn)
    if at is not None and version is not None:
        raise Problem(400, "at_and_version", "give a time or a version, not both")
    if at is not None or version is not None:
        return json_response(read_past_title(read, number, version, parse_moment(at)), CACHED)
    return json_response(read_title(read, number), CACHED)


@get(
    "/{isbn:str}/history", operation_id="get_history", response_headers=[LINKED],
    responses=problems(400, 404, 503),
)  # fmt: skip
async def get_history(
    request: AnyRequest,
    read: NamedDependency[Read],
    patrons: NamedDependency[Patrons],
    isbn: IsbnPath,
    evidence: NamedDependency[Evidence],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    proof: Proof = False,
) -> Response[History]:
    """The events of a title, first to last. A page with a proof has at most 100."""
    number = parse_isbn_parameter(isbn)
    question = ["history", number]
    start = parse_cursor_parameter(cursor, question, Number) or 0
    most = min(limit, MAX_PROVED_EVENTS) if proof else limit
    found, following = events_of(read.db, number, most, start)
    if not found and not start:
        raise unknown(number)
    await patrons.name_events(found)
    next_cursor = None if following is None else make_cursor(question, following)
    proved = await in_thread(evidence, prove_events, evidence, found) if proof else UNSET
    body = json_of(History(f"{number:013}", found, next_cursor, proved))
    return page_response(request, body, next_cursor, NOT_STORED)


router: Any = Router(path="/inventory", route_handlers=[list_inventory, get_title, get_history])
