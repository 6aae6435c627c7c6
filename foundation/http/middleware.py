"""The steps of both HTTP services for every request that reaches the framework."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from foundation.http.callers import AllowedHosts
from foundation.http.headers import (
    SAFETY,
    Headers,
    header_text,
    joined_header,
    require_no_encoding,
    unique_headers,
    with_defaults,
)
from foundation.http.problem import Problem
from foundation.http.responses import etag_is_current, etag_matches, etag_of, render_problem, send_response
from foundation.http.targets import check_escapes

UNIQUE = (b"host", b"origin", b"authorization", b"last-event-id", b"content-type", b"content-encoding")
"""Headers that decide something: a request with two of one is refused."""


class Middleware:
    """ASGI: checks the caller, answers HEAD, If-Match and If-None-Match, and completes the headers.

    ``cache_control`` is for responses to GET without a Cache-Control of their own; others are not stored.
    ``more_headers`` makes further headers from the request's state. ``counts`` counts responses by status.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: AllowedHosts,
        *,
        cache_control: str,
        more_headers: Callable[[Any], Headers] = lambda _: [],
        counts: Counter[int] | None = None,
    ) -> None:
        self._app, self._hosts = app, hosts
        self._cache_control, self._more_headers = cache_control.encode(), more_headers
        self._counts: Counter[int] = Counter() if counts is None else counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Its state gets ``head``: whether the method is HEAD."""
        request: Any = scope
        if request["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = request.setdefault("state", {})
        state["head"] = request["method"] == "HEAD"
        if state["head"]:
            request["method"] = "GET"
        response = _Response(
            send,
            lambda status, headers: self._complete(request, status, headers),
            self._counts,
            head=state["head"],
            if_match=joined_header(request["headers"], b"if-match"),
            if_none_match=joined_header(request["headers"], b"if-none-match"),
        )
        try:
            headers = unique_headers(request["headers"], UNIQUE)
            if request["method"] != "GET":
                require_no_encoding(headers)
            host, origin = header_text(headers.get(b"host")), header_text(headers.get(b"origin"))
            self._hosts.check(host, origin, request["http_version"])
            check_escapes(request)
        except Problem as problem:
            await send_response(response.send, render_problem(problem))
        else:
            await self._app(scope, receive, response.send)

    def _complete(self, request: Any, status: int, headers: Sequence[tuple[bytes, bytes]]) -> Headers:
        caching = self._cache_control if status < 400 and request["method"] == "GET" else b"no-store"
        complete = with_defaults(headers, [(b"cache-control", caching), *SAFETY])
        return [
            (name, _with_head(value) if name == b"allow" else value) for name, value in complete
        ] + self._more_headers(request["state"])


class _Response:
    """One response: its headers completed. One that may be stored gets an entity tag, or is a 304 or 412."""

    def __init__(
        self,
        send: Any,
        complete: Callable[[int, Sequence[tuple[bytes, bytes]]], Headers],
        counts: Counter[int],
        *,
        head: bool,
        if_match: str | None,
        if_none_match: str | None,
    ) -> None:
        self._send, self._complete, self._counts = send, complete, counts
        self._head, self._if_match, self._if_none_match = head, if_match, if_none_match
        self._held_back: Any = None
        """The start of a response that may be stored, until its body is there to make an entity tag of."""

    async def send(self, message: Any) -> None:
        """In place of ASGI's ``send``."""
        if message["type"] == "http.response.start":
            message["headers"] = self._complete(message["status"], message["headers"])
            if message["status"] == 200 and _may_be_stored(message["headers"]):
                self._held_back = message
            else:
                await self._begin(message)
            return
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            if self._held_back is not None:
                start, self._held_back = self._held_back, None
                if not message.get("more_body"):
                    body = self._validate(start, body)
                await self._begin(start)
            message["body"] = b"" if self._head else body
        await self._send(message)

    async def _begin(self, start: Any) -> None:
        self._counts[start["status"]] += 1
        await self._send(start)

    def _validate(self, start: Any, body: bytes) -> bytes:
        """Give a complete response an entity tag, and make it a 304 or 412 if the caller's says that.

        Returns the body of the response.
        """
        headers = start["headers"]
        etag = next((value.decode() for name, value in headers if name == b"etag"), None)
        if etag is None:
            etag = etag_of(body)
            headers.append((b"etag", etag.encode()))
        kept = [(name, value) for name, value in headers if name not in (b"content-type", b"content-length")]
        if self._if_match is not None and not etag_is_current(self._if_match, etag):
            problem = Problem(412, "precondition_failed", f"the entity tag is {etag}, not that of If-Match")
            response = render_problem(problem)
            length = (b"content-length", b"%d" % len(response.body))
            start["status"], start["headers"] = 412, [*kept, *response.headers, length]
            return response.body
        if self._if_none_match is not None and etag_matches(self._if_none_match, etag):
            start["status"], start["headers"] = 304, kept
            return b""
        return body


def _with_head(allow: bytes) -> bytes:
    """An Allow header with HEAD, which the framework does not know to be answered here."""
    methods = {method.strip() for method in allow.split(b",")}
    return b", ".join(sorted(methods | ({b"HEAD"} if b"GET" in methods else set())))


def _may_be_stored(headers: Headers) -> bool:
    return not any(name == b"cache-control" and b"no-store" in value for name, value in headers)
