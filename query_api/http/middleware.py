"""What stands before the routes: whose name is asked for, HEAD, the hot route, headers of every answer."""

import sqlite3
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from foundation.http.callers import AllowedHosts
from foundation.http.problem import PROBLEM_JSON, Problem
from query_api.http.freshness import Reading
from query_api.http.metrics import Metrics
from query_api.http.title_fast_path import HotTitle

ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]


class Middleware:
    """The ASGI application that the server runs."""

    def __init__(self, app: ASGIApp, reading: Reading, metrics: Metrics, callers: AllowedHosts) -> None:
        self._app, self._reading, self._callers = app, reading, callers
        self._answers = metrics.answers
        self._hot = HotTitle(reading, ALWAYS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Any = scope
        if request["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = origin = if_none_match = None
        for name, value in request["headers"]:
            if name == b"host":
                host = value
            elif name == b"if-none-match":
                if_none_match = value
            elif name == b"origin":
                origin = value
        plain = request["method"] == "GET" and not request["query_string"] and origin is None
        if plain and host is not None and self._callers.knows(host.decode("latin-1")):
            try:
                answer = self._hot.answer(request["path"], if_none_match)
            except sqlite3.DatabaseError:
                # The route will meet it, too, and say what to do
                answer = None
            if answer is not None:
                self._answers[answer[0]] += 1
                await _send(send, *answer)
                return
        await self._ask_routes(request, receive, send, host, origin)

    async def _ask_routes(
        self, request: Any, receive: Receive, send: Send, host: bytes | None, origin: bytes | None
    ) -> None:
        state: dict[str, Any] = request.setdefault("state", {})
        state["position"] = self._reading.position()
        head = state["head"] = request["method"] == "HEAD"
        if head:
            request["method"] = "GET"

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answers[message["status"]] += 1
                _complete(message, state["position"])
            elif head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            self._callers.check(_text(host), _text(origin))
        except Problem as problem:
            body = problem.body()
            headers = [
                (b"content-type", PROBLEM_JSON.encode()),
                (b"content-length", str(len(body)).encode()),
            ]
            await _send(send_complete, problem.status, headers, body)
        else:
            await self._app(request, receive, send_complete)


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _complete(message: Any, position: str) -> None:
    headers = [(name.lower(), value) for name, value in message["headers"]]
    # The framework does not know that HEAD is answered here
    headers = [(name, b"GET, HEAD, OPTIONS" if name == b"allow" else value) for name, value in headers]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store" if message["status"] >= 400 else b"no-cache"))
    given = {name for name, _ in headers}
    headers += [header for header in ALWAYS if header[0] not in given]
    headers.append((b"inventory-position", position.encode()))
    message["headers"] = headers


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
