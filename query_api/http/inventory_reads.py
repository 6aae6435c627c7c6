"""Pages and past states of the inventory: the routes and the fast path read them here."""

import asyncio
import time
from typing import NamedTuple

from foundation.http.problem import Problem
from query_api.documents import page_of
from query_api.http.inventory_parameters import PAST_TITLE, parse_ordinary
from query_api.http.parameters import parse_cursor_parameter, parse_time_parameter
from query_api.queries.cursors import make_cursor
from query_api.queries.history import events_of
from query_api.queries.page import TitleFilters, TitleKey, TitlePage
from query_api.queries.past import titles_at
from query_api.queries.titles import SlowQuery, find_titles, title_json
from query_api.replica.past import NotRemembered, version_at
from query_api.replica.replica import Read
from schemas.times import rfc3339


class JsonPage(NamedTuple):
    """A page's JSON, and the cursor of the next page; None on the last one."""

    body: bytes
    next_cursor: str | None


async def read_page(read: Read, filters: TitleFilters, limit: int, cursor: str | None) -> JsonPage:
    """At most ``limit`` titles from ``cursor`` on. Raises Problem 400."""
    question = ["inventory", filters]
    start = parse_cursor_parameter(cursor, question, TitleKey)
    if filters.at is not None:
        if filters.column != "isbn":
            raise Problem(400, "bad_sort", "the inventory of the past is sorted by isbn only")
        try:
            found = titles_at(read.db, read.past.remembered, filters, limit, start)
        except NotRemembered:
            found = await asyncio.to_thread(_past_page, read, filters, limit, start)
    else:
        try:
            found = find_titles(read.db, filters, limit, start, only_quick=True)
        except SlowQuery:
            found = await asyncio.to_thread(_page, read, filters, limit, start)
    next_cursor = None if found.following is None else make_cursor(question, found.following)
    return JsonPage(page_of(found.bodies, next_cursor), next_cursor)


def read_title(read: Read, isbn: int) -> bytes:
    """The title's document. Raises Problem: 404, or 410 if it was removed."""
    found = title_json(read.db, isbn)
    if found is None:
        raise unknown(isbn)
    body, absent, version, updated_at = found
    if absent:
        raise _removed(isbn, updated_at, version)
    return body


def read_past_title(read: Read, isbn: int, version: int | None, at: int | None) -> bytes:
    """The title's document as of ``version`` or of the time ``at`` (ms). Raises Problem 404 or 410."""
    last = version_at(read.db, isbn, version=version, at=at)
    if last is None:
        if events_of(read.db, isbn, 1, 0)[0]:
            raise Problem(404, "not_yet", f"{isbn:013} was not in the inventory yet at that time")
        raise unknown(isbn)
    if version is not None and version != last and not events_of(read.db, isbn, 1, version - 1)[0]:
        raise Problem(404, "no_such_version", f"{isbn:013} has no version {version} yet")
    title = read.past.states(read.db, [(isbn, last)])[isbn, last]
    if title.removed:
        raise _removed(isbn, title.updated_at, title.version)
    return title.body


def parse_past(query: bytes) -> tuple[int | None, int | None] | None:
    """Version and time (ms) of a past title, of which one is None.

    None unless the query string has one of them, in its ordinary form. Raises Problem as ``parse_moment``.
    """
    past = parse_ordinary(query, PAST_TITLE)
    if past is None or len(past) != 1:
        return None
    return past.get("version"), parse_moment(past.get("at"))


def parse_moment(text: str | None) -> int | None:
    """The time of an ``at``, in ms since 1970. Raises Problem 400, also for a time in the future."""
    return None if text is None else parse_time_parameter(text, int(time.time() * 1000))


def unknown(isbn: int) -> Problem:
    """The answer for a title that never was in the inventory."""
    return Problem(404, "unknown_title", f"{isbn:013} is not in the inventory and never was")


def _removed(isbn: int, at: int, version: int) -> Problem:
    when = rfc3339(at)
    detail = f"{isbn:013} was removed on {when}; /inventory/{isbn:013}/history says what happened"
    return Problem(410, "removed", detail, removed_at=when, version=version)


def _page(read: Read, filters: TitleFilters, limit: int, start: TitleKey | None) -> TitlePage:
    return find_titles(read.db, filters, limit, start)


def _past_page(read: Read, filters: TitleFilters, limit: int, start: TitleKey | None) -> TitlePage:
    return titles_at(read.db, read.past.states, filters, limit, start)
