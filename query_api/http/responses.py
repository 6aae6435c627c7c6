"""Responses of the query API: JSON that is ready, links, caching."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from litestar import Response

from foundation.http.openapi import problem_specs, response_header
from query_api.http.parameters import AnyRequest

CACHED = "no-cache"
"""May be stored by anybody, and must be validated each time."""
NOT_STORED = "no-store"
"""For answers that name patrons, and those that change all the time."""
PRIVATE = "private, no-store"
"""For whole events: also a cache that ignores the one keeps to the other."""
IMMUTABLE = "public, max-age=31536000, immutable"
"""May be used for a year without asking again."""

LINKED = response_header("Link", "The next page, `rel=next`; not on the last.")

problems = partial(
    problem_specs,
    {
        400: "The request is malformed: the detail says what.",
        404: "Unknown.",
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
    kept = [
        (name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "after")
    ]
    target = f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
    return json_response(body, cache_control, Link=f'<{target}>; rel="next"')
