"""Responses of the query API: JSON that is ready, links, caching."""

import re
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from litestar import Response

from foundation.http.headers import Headers
from foundation.http.openapi import problem_specs, response_header
from foundation.http.responses import etag_of
from query_api.http.parameters import AnyRequest

CACHED = "no-cache"
"""May be stored by anybody, and must be validated each time."""
NOT_STORED = "no-store"
"""For answers that name patrons, and those that change all the time."""
IMMUTABLE = "public, max-age=31536000, immutable"
"""May be used for a year without asking again."""

_HARMLESS = re.compile(r"(?:[a-z_]+=(?:[\w.~+-]|%[0-9A-Fa-f]{2})*(?:&|$))*", re.ASCII).fullmatch
"""Query strings that may be repeated in a header as they are."""

LINKED = response_header("Link", "The next page, `rel=next`; not on the last.")

problems = partial(
    problem_specs,
    {
        400: "The request is malformed: the detail says what.",
        404: "Unknown.",
        415: "Not application/json.",
        422: "Not an Avro schema, or not one that exists.",
        410: "The title was removed; `removed_at` says when.",
        503: "Not ready, or not as far as `after` asks: try again.",
    },
)
"""A route's ``responses``: the problems with these statuses."""


def json_response(body: bytes, cache_control: str, **headers: str) -> Response[Any]:
    """``body``, which is JSON already."""
    return Response(body, media_type="application/json", headers={"Cache-Control": cache_control, **headers})


def page_response(request: AnyRequest, body: bytes, cursor: str | None, cache_control: str) -> Response[Any]:
    """A page, with a link to the next one, which begins at ``cursor``."""
    if cursor is None:
        return json_response(body, cache_control)
    link = next_link(request.url.path, request.scope["query_string"], cursor)
    return json_response(body, cache_control, Link=link)


def next_link(path: str, query: bytes, cursor: str) -> str:
    """The Link header of a page that was asked for with ``query``; the next page begins at ``cursor``."""
    kept = "".join(part + "&" for part in _parts(query) if not part.startswith(("cursor=", "after=")))
    return f'<{path}?{kept}cursor={cursor}>; rel="next"'


def _parts(query: bytes) -> list[str]:
    """The parameters of a query string, in a form that a header may have."""
    text = query.decode("latin-1")
    if not _HARMLESS(text):
        text = urlencode(parse_qsl(query.decode("utf-8", "replace")))
    return text.split("&") if text else []


class Representation(NamedTuple):
    """A complete answer to GET. ``headers`` have everything but the position and the safety headers."""

    etag: str
    headers: Headers
    body: bytes


def represent(body: bytes, *more_headers: tuple[bytes, bytes]) -> Representation:
    """``body``, which is JSON already, for everybody."""
    etag = etag_of(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", CACHED.encode()),
        (b"etag", etag.encode()),
        *more_headers,
    ]
    return Representation(etag, headers, body)
