"""Responses that are made without the framework, and entity tags of all responses."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from foundation.http.headers import Headers
from foundation.http.problem import PROBLEM_JSON, Problem


class HttpResponse(NamedTuple):
    """A complete response. ``headers`` have no Content-Length: ``send_response`` adds it."""

    status: int
    headers: Headers
    body: bytes


def render_problem(problem: Problem) -> HttpResponse:
    """The response that ``problem`` is."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    return HttpResponse(problem.status, [(b"content-type", PROBLEM_JSON.encode()), *headers], problem.body())


async def send_response(
    send: Any, response: HttpResponse, more_headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send ``response``, with ``more_headers``, over ASGI's ``send``."""
    status, headers, body = response
    length = (b"content-length", b"%d" % len(body))
    headers = [*headers, length, *more_headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def etag_of(body: bytes) -> str:
    """A strong entity tag made from the content: every process gives the same for the same bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def etag_is_current(if_match: str, etag: str) -> bool:
    """Whether an If-Match holds for the representation with ``etag``; a weak tag never does (13.1.1)."""
    return if_match.strip() == "*" or any(tag.strip() == etag for tag in if_match.split(","))


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether the caller has the representation with ``etag`` (RFC 9110, 13.1.2)."""
    if if_none_match.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/") == etag for tag in if_none_match.split(","))
