"""Open loans."""

import time
from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from query_api.documents import Loans, json_of
from query_api.http.parameters import (
    AnyRequest,
    Cursor,
    Limit,
    parse_cursor_parameter,
    parse_isbn_parameter,
    parse_user_parameter,
)
from query_api.http.responses import LINKED, NOT_STORED, page_response, problems
from query_api.queries.cursors import make_cursor
from query_api.queries.loans import LoanFilters, LoanKey, find_loans
from query_api.replica.replica import Replica

UserId = Annotated[str | None, QueryParameter(min_length=1, max_length=200, description="Of this borrower.")]
OfIsbn = Annotated[str | None, QueryParameter(min_length=1, max_length=40, description="Of this title.")]
Overdue = Annotated[bool | None, QueryParameter(description="true: due before now; false: not yet due.")]


@get("/loans", responses=problems(400, 503), response_headers=[LINKED], operation_id="list_loans")
async def list_loans(
    request: AnyRequest,
    replica: NamedDependency[Replica],
    limit: Limit = 50,
    cursor: Cursor = None,
    user_id: UserId = None,
    isbn: OfIsbn = None,
    overdue: Overdue = None,
) -> Response[Loans]:
    """Open loans, the first due first."""
    user = None if user_id is None else parse_user_parameter(user_id)
    filters = LoanFilters(user, None if isbn is None else parse_isbn_parameter(isbn), overdue)
    question = ["loans", filters]
    start = parse_cursor_parameter(cursor, question, LoanKey)
    found, following = find_loans(replica.reader(), filters, limit, start, int(time.time() * 1000))
    next_cursor = None if following is None else make_cursor(question, following)
    return page_response(request, json_of(Loans(found, next_cursor)), next_cursor, NOT_STORED)


routes: list[Any] = [list_loans]
