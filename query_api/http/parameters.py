"""Parameters that several routes share, and their checks."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from foundation.http.problem import Problem
from foundation.text import Malformed
from inventory import isbn as identifiers
from inventory.commands import FIELDS
from query_api.http.freshness import LONGEST_TIMEOUT_S, Reading
from query_api.queries.cursors import BadCursor, parse_cursor
from query_api.replica.replica import Read
from schemas.times import BadTime, parse_time

AnyRequest = Request[Any, Any, Any]

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 500
LONGEST_CURSOR = 2000
LONGEST_WORDS = 200
LONGEST_TIME = 40
LONGEST_POSITION = 4000
POSITION = "[0-9]{1,18}:[0-9]{1,18}(,[0-9]{1,18}:[0-9]{1,18})*"
DEFAULT_TIMEOUT_S = 5.0
WAITED = "waited"
"""In the state of a request: it has waited for its position already; see ``Reading.after``."""

OfIsbn = Annotated[str | None, QueryParameter(min_length=1, max_length=40, description="Of this title.")]
Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_LIMIT, description="Items on a page, at most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=LONGEST_CURSOR, description="The `next_cursor` of the page before.",
    ),
]  # fmt: skip
After = Annotated[
    str | None,
    QueryParameter(
        min_length=3, max_length=LONGEST_POSITION, pattern=rf"^{POSITION}$",
        description="Wait until the answer includes this position, for example `3:17` from a receipt.",
    ),
]  # fmt: skip
Timeout = Annotated[
    float, QueryParameter(ge=0, le=LONGEST_TIMEOUT_S, description="Seconds to wait for `after`, at most.")
]
IsbnPath = Annotated[
    str,
    PathParameter(min_length=1, max_length=40, description="ISBN-10, ISBN-13 or EAN-13, hyphens allowed."),
]


async def provide_read(
    request: AnyRequest,
    reading: NamedDependency[Reading],
    after: After = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> AsyncIterator[Read]:
    """The transaction to answer from, as new as ``after`` requires. Raises Problem 400 or 503.

    The answer's position is that of its data. With an older one, another query API that is asked for the
    same position might show less; with a newer one, the answer would lack what it promises.
    """
    if after is None:
        replica = reading.replica()
    else:
        replica = await reading.after(after, timeout, waited=request.scope["state"].get(WAITED, False))
    with replica.read() as read:
        request.scope["state"]["position"] = str(read.progress)
        yield read


def parse_isbn_parameter(text: str) -> int:
    """The title's number. Raises Problem 400."""
    try:
        return int(identifiers.parse(text))
    except Malformed as error:
        raise Problem(400, "bad_isbn", str(error)) from error


def parse_user_parameter(text: str) -> str:
    """The borrower's id as events have it. Raises Problem 400."""
    try:
        return str(FIELDS["user_id"].check(text))
    except Malformed as error:
        raise Problem(400, "bad_user", str(error)) from error


def parse_time_parameter(text: str, now: int) -> int:
    """A time in the past, in ms since 1970. Raises Problem 400."""
    try:
        at = parse_time(text)
    except BadTime as error:
        raise Problem(400, "bad_time", str(error)) from error
    if at > now:
        raise Problem(400, "in_the_future", f"{text} is in the future")
    return at


def parse_cursor_parameter(cursor: str | None, question: object, kind: Any) -> Any:
    """The key in a cursor; None without a cursor. Raises Problem 400."""
    try:
        return None if cursor is None else parse_cursor(cursor, question, kind)
    except BadCursor as error:
        raise Problem(400, "bad_cursor", str(error)) from error
