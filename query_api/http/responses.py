"""Answers as HTTP responses: JSON that is at hand already, entity tags, links, what to keep where."""

import hashlib
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec

from foundation.http.problem import PROBLEM_JSON, ProblemDocument
from query_api.http.parameters import AnyRequest

SHARED = "no-cache"
"""May be kept by anybody, but is asked for again each time."""
PRIVATE = "private, no-store"
"""Names patrons: kept by nobody."""

LINKED = ResponseHeader(
    "Link", documentation_only=True, description="The next page, `rel=next`; not on the last."
)
TAGGED = ResponseHeader(
    "ETag", documentation_only=True, required=True, description="Made from the content: the same everywhere."
)

_MEANING = {
    400: "The request is malformed: the detail says what.",
    404: "Unknown.",
    410: "The title was removed; `removed_at` says when.",
    503: "Not ready, or not as far as `after` asks: try again.",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """For a route's documentation: the problems that it answers with."""
    return {
        status: ResponseSpec(
            ProblemDocument, description=_MEANING[status], media_type=PROBLEM_JSON, generate_examples=False
        )
        for status in statuses
    }


def json_response(body: bytes, cache: str, **headers: str) -> Response[Any]:
    """``body``, which is JSON."""
    return Response(body, media_type="application/json", headers={"Cache-Control": cache, **headers})


def page_response(request: AnyRequest, body: bytes, following: str | None, cache: str) -> Response[Any]:
    """A page, with a link to the one that ``following`` begins."""
    if following is None:
        return json_response(body, cache)
    kept = [
        (name, value) for name, value in request.query_params.multi_items() if name not in ("cursor", "after")
    ]
    target = f"{request.url.path}?{urlencode([*kept, ('cursor', following)])}"
    return json_response(body, cache, Link=f'<{target}>; rel="next"')


def not_modified(etag: str) -> Response[Any]:
    """The answer to a caller who has it already."""
    return Response(None, status_code=304, headers={"ETag": etag, "Cache-Control": SHARED})


def etag_of(body: bytes) -> str:
    """A strong entity tag: the same for the same bytes, by whichever process."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the caller has the representation with ``etag`` (RFC 9110, 13.1.2)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in ("*", etag) for tag in tags)
