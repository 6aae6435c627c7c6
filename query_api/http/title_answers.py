"""Whole answers to ``GET /inventory/{13 digits}``, and what all answers of the fast path share."""

import sqlite3
from collections import Counter
from typing import Any

from foundation.http.at_once import WholeResponse
from foundation.http.callers import AllowedHosts
from foundation.http.headers import SAFETY, Headers
from foundation.http.problem import Problem
from foundation.http.responses import etag_matches
from foundation.http.targets import has_encoded_slash
from query_api.http.freshness import Reading
from query_api.http.inventory_reads import parse_past
from query_api.http.responses import Representation
from query_api.http.title_reader import TitleReader

TITLES = "/inventory/"
_TITLE_LENGTH = len(TITLES) + 13
_CONTENT = (b"content-type", b"content-length")


class TitleAnswers:
    """Titles, now and in the past, for ordinary requests, on one thread; ``counts`` counts its responses."""

    def __init__(
        self, titles: TitleReader, reading: Reading, hosts: AllowedHosts, counts: Counter[int]
    ) -> None:
        self._titles, self._reading, self._hosts, self._counts = titles, reading, hosts, counts

    def __call__(self, request: Any) -> WholeResponse | None:
        """The answer to an ASGI request; None: the application has to answer."""
        path = request["path"]
        if len(path) != _TITLE_LENGTH or request["method"] != "GET" or not path.startswith(TITLES):
            return None
        if_none_match = ordinary(request, self._hosts)
        if if_none_match is None:
            return None
        try:
            found = self._read(path[len(TITLES) :], request["query_string"])
        except (Problem, sqlite3.DatabaseError):
            # The route meets it again, and knows what to do
            return None
        if found is None:
            return None
        response = respond(found, if_none_match, self._reading.headers(self._titles.position))
        self._counts[response.status] += 1
        return response

    def _read(self, isbn: str, query: bytes) -> Representation | None:
        """The title; None if the application has to answer. Raises Problem, sqlite3.DatabaseError."""
        if not query:
            return self._titles.now(isbn)
        past = parse_past(query)
        return None if past is None else self._titles.past(isbn, *past)


def ordinary(request: Any, hosts: AllowedHosts) -> bytes | None:
    """The request's If-None-Match, empty if it has none; None if its path or headers need a closer look."""
    if has_encoded_slash(request):
        return None
    host, if_none_match = None, b""
    for name, value in request["headers"]:
        if name == b"host" and host is None:
            host = value
        elif name == b"if-none-match":
            if_none_match = if_none_match + b", " + value if if_none_match else value
        elif name in (b"host", b"origin", b"if-match"):
            return None
    if host is None or not hosts.allows(host.decode("latin-1")):
        return None
    return if_none_match


def respond(found: Representation, if_none_match: bytes, more_headers: Headers) -> WholeResponse:
    """``found``, or 304 if the caller has it."""
    if if_none_match and etag_matches(if_none_match.decode("latin-1"), found.etag):
        headers = [header for header in found.headers if header[0] not in _CONTENT]
        return WholeResponse(304, headers + SAFETY + more_headers, b"")
    return WholeResponse(200, found.headers + SAFETY + more_headers, found.body)
