"""Open loans."""

import time
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from foundation.http.json_body import json_body_of
from foundation.http.problem import Problem
from query_api.documents import Loans, json_of
from query_api.http.parameters import (
    AnyRequest,
    Cursor,
    Limit,
    OfIsbn,
    parse_cursor_parameter,
    parse_isbn_parameter,
    parse_time_parameter,
    parse_user_parameter,
)
from query_api.http.patrons import Patrons
from query_api.http.responses import LINKED, NOT_STORED, json_response, page_response, problems
from query_api.queries.cursors import make_cursor
from query_api.queries.loans import LoanFilters, LoanKey, find_loans, loans_of
from query_api.replica.past import row_at
from query_api.replica.replica import Read

UserId = Annotated[str | None, QueryParameter(min_length=1, max_length=200, description="Of this borrower.")]
At = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=40,
        description="As they were at this time, RFC 3339 with an offset; of one title: give `isbn`, too.",
    ),
]  # fmt: skip
PatronToken = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=40, description="Of the borrower with this token."),
]
Overdue = Annotated[bool | None, QueryParameter(description="true: due before now; false: not yet due.")]


@get("/loans", responses=problems(400, 503), response_headers=[LINKED], operation_id="list_loans")
async def list_loans(
    request: AnyRequest,
    read: NamedDependency[Read],
    patrons: NamedDependency[Patrons],
    limit: Limit = 50,
    cursor: Cursor = None,
    user_id: UserId = None,
    patron: PatronToken = None,
    isbn: OfIsbn = None,
    overdue: Overdue = None,
    at: At = None,
) -> Response[Loans]:
    """Open loans, the first due first; those of one title also at a time in the past."""
    user = await patrons.borrower(None if user_id is None else parse_user_parameter(user_id), patron)
    filters = LoanFilters(user, None if isbn is None else parse_isbn_parameter(isbn), overdue)
    now = int(time.time() * 1000)
    moment = None if at is None else parse_time_parameter(at, now)
    question: list[Any] = ["loans", filters] if moment is None else ["loans", filters, moment]
    start = parse_cursor_parameter(cursor, question, LoanKey)
    if moment is None:
        found, following = find_loans(read.db, filters, limit, start, now)
    elif filters.isbn is None:
        raise Problem(400, "at_without_isbn", "past loans are those of one title: give isbn, too")
    else:
        row = row_at(read.db, filters.isbn, at=moment)
        found, following = ([], None) if row is None else loans_of(row, filters, limit, start, moment)
    found = await patrons.name_loans(found)
    next_cursor = None if following is None else make_cursor(question, following)
    return page_response(request, json_of(Loans(found, next_cursor)), next_cursor, NOT_STORED)


class LoanSearch(Struct, frozen=True, forbid_unknown_fields=True):
    """Which loans, as the parameters of `GET /loans`."""

    user_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    patron: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    isbn: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    overdue: bool | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    cursor: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None


@post(
    "/loans/search", status_code=200, opt=json_body_of(LoanSearch), responses=problems(400, 415, 503),
    operation_id="search_loans",
)  # fmt: skip
async def search_loans(
    read: NamedDependency[Read], patrons: NamedDependency[Patrons], data: JSONBody[LoanSearch]
) -> Response[Loans]:
    """Open loans, the first due first; the borrower is in the body, not in a URL that logs may keep."""
    user_id = None if data.user_id is None else parse_user_parameter(data.user_id)
    user = await patrons.borrower(user_id, data.patron)
    isbn = None if data.isbn is None else parse_isbn_parameter(data.isbn)
    filters = LoanFilters(user, isbn, data.overdue)
    question = ["loans", filters]
    start = parse_cursor_parameter(data.cursor, question, LoanKey)
    found, following = find_loans(read.db, filters, data.limit, start, int(time.time() * 1000))
    found = await patrons.name_loans(found)
    next_cursor = None if following is None else make_cursor(question, following)
    return json_response(json_of(Loans(found, next_cursor)), NOT_STORED)


routes: list[Any] = [list_loans, search_loans]
