"""Patrons: the borrowers of a store that keeps their names apart from its events."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from query_api.documents import PatronDocument, json_of
from query_api.http.patrons import Patrons
from query_api.http.responses import NOT_STORED, json_response, problems
from query_api.queries.loans import count_loans
from query_api.replica.replica import Read

Token = Annotated[
    str, PathParameter(min_length=1, max_length=40, description="The `patron` of a loan or an event.")
]


@get("/patrons/{token:str}", operation_id="get_patron", responses=problems(400, 404, 503))
async def get_patron(
    read: NamedDependency[Read], patrons: NamedDependency[Patrons], token: Token
) -> Response[PatronDocument]:
    """A patron by token, with the name and the number of open loans; 404 once forgotten."""
    user_id = await patrons.name_of(token)
    names = await patrons.require(token)
    document = PatronDocument(token, user_id, token in names.directory.closing, count_loans(read.db, token))
    return json_response(json_of(document), NOT_STORED)


routes: list[Any] = [get_patron]
