"""``GET /inventory`` and ``GET /inventory/{13 digits}`` without the framework: the most frequent requests."""

import sqlite3
from collections import Counter
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from foundation.http.at_once import WholeResponse, send_whole
from foundation.http.callers import AllowedHosts
from foundation.http.problem import Problem
from query_api.http.freshness import Reading
from query_api.http.inventory_parameters import FRESH_TITLE, PAGE, parse_ordinary
from query_api.http.inventory_reads import parse_moment, parse_past, read_page, read_past_title, read_title
from query_api.http.parameters import DEFAULT_LIMIT, DEFAULT_TIMEOUT_S, WAITED
from query_api.http.responses import Representation, next_link, represent
from query_api.http.title_answers import TITLES, TitleAnswers, ordinary, respond
from query_api.queries.page import TitleFilters
from query_api.replica.progress import Progress
from query_api.replica.replica import Read
from schemas.records import EVENTS

PAGES = "/inventory"


class InventoryFastPath:
    """ASGI: answers titles and pages asked for with ordinary parameters; passes other requests to ``app``.

    The framework takes 100 µs and more for a request, a title 2 µs here and a page of 50 about 60. What this
    class refuses to answer, ``app`` answers: problems, long waits, parameters in an unusual form. It may go
    once ``make bench-query`` and ``make bench-latency`` do not notice: ``test_inventory_fast_path.py`` shows
    that ``app`` answers all its requests, too.
    """

    def __init__(
        self, app: ASGIApp, titles: TitleAnswers, reading: Reading, hosts: AllowedHosts, counts: Counter[int]
    ) -> None:
        self._app, self._titles, self._reading, self._hosts = app, titles, reading, hosts
        self._counts = counts
        self._progress: Progress | None = None
        self._position = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. The state of those that are passed on gets ``position``."""
        request: Any = scope
        if request["type"] == "http":
            request.setdefault("state", {})
            response = self._titles(request) or await self._answer(request)
            if response is not None:
                await send_whole(send, response)
                return
            # Of answers without data: those with some set their own
            request["state"]["position"] = self._reading.position()
        await self._app(scope, receive, send)

    async def _answer(self, request: Any) -> WholeResponse | None:
        """A page, or a title of the past or after a write; None if ``app`` has to answer."""
        path, query = request["path"], request["query_string"]
        if request["method"] != "GET" or not (path == PAGES or (query and path.startswith(TITLES))):
            return None
        if_none_match = ordinary(request, self._hosts)
        if if_none_match is None:
            return None
        try:
            found, position = await self._read(request, path, query)
        except (Problem, sqlite3.DatabaseError):
            # The route meets it again, and knows what to do
            return None
        if found is None:
            return None
        response = respond(found, if_none_match, self._reading.headers(position))
        self._counts[response.status] += 1
        return response

    async def _waits(self, request: Any, path: str, query: bytes) -> bool:
        """Whether the replica has soon what a read of a title requires. Raises Problem."""
        wanted = parse_ordinary(query, FRESH_TITLE) if EVENTS.is_stream(path[len(TITLES) :]) else None
        if wanted is None:
            return False
        needs = self._reading.needs(wanted["after"])
        soon = await self._reading.soon(needs, wanted.get("timeout", DEFAULT_TIMEOUT_S))
        request["state"][WAITED] = not soon
        return soon

    async def _read(self, request: Any, path: str, query: bytes) -> tuple[Representation | None, bytes]:
        """The requested document, None if ``app`` has to answer, and the position that it includes.

        Raises Problem, sqlite3.DatabaseError.
        """
        after_write = b"after=" in query
        if after_write and not await self._waits(request, path, query):
            return None, b""
        with self._reading.replica().read() as read:
            if after_write:
                found: Representation | None = represent(read_title(read, int(path[len(TITLES) :])))
            else:
                found = await (_page(read, query) if path == PAGES else _past_title(read, path, query))
            return found, self._position_of(read.progress)

    def _position_of(self, progress: Progress) -> bytes:
        if progress is not self._progress:
            self._progress, self._position = progress, str(progress).encode()
        return self._position


async def _past_title(read: Read, path: str, query: bytes) -> Representation | None:
    isbn, past = path[len(TITLES) :], parse_past(query)
    if past is None or not EVENTS.is_stream(isbn):
        return None
    return represent(read_past_title(read, int(isbn), *past))


async def _page(read: Read, query: bytes) -> Representation | None:
    page = parse_ordinary(query, PAGE) if query else {}
    if page is None:
        return None
    filters = TitleFilters(
        page.get("q"), page.get("available"), page.get("sort", "isbn"), parse_moment(page.get("at")),
        page.get("author"), page.get("held"),
    )  # fmt: skip
    found = await read_page(read, filters, page.get("limit", DEFAULT_LIMIT), page.get("cursor"))
    if found.next_cursor is None:
        return represent(found.body)
    return represent(found.body, (b"link", next_link(PAGES, query, found.next_cursor).encode()))
