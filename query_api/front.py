"""What stands before the routes: whose name is asked for, HEAD, and the headers of every answer."""

from typing import Any

from litestar.types import ASGIApp, HTTPSendMessage, Message, Receive, Scope, Send

from query_api.reading import Reading
from schemas.http import Callers
from schemas.problem import PROBLEM_JSON, Problem

SAFETY = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]


class Front:
    """The ASGI application that the server runs."""

    def __init__(self, app: ASGIApp, reading: Reading, callers: Callers) -> None:
        self._app, self._reading, self._callers = app, reading, callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Any = scope
        if request["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = request.setdefault("state", {})
        state["position"] = self._reading.position()
        head = request["method"] == "HEAD"
        if head:
            request["method"] = "GET"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message, state["position"])
            elif head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            self._check(request["headers"])
        except Problem as problem:
            await _tell(problem, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _check(self, headers: list[tuple[bytes, bytes]]) -> None:
        host = origin = None
        for name, value in headers:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1")
        self._callers.check(host, origin)


def _complete(message: Any, position: str) -> None:
    headers = [(name.lower(), value) for name, value in message["headers"]]
    # The framework does not know that HEAD is answered here
    headers = [(n, b"GET, HEAD, OPTIONS" if n == b"allow" else value) for n, value in headers]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store" if message["status"] >= 400 else b"no-cache"))
    headers += SAFETY
    headers.append((b"inventory-position", position.encode()))
    message["headers"] = headers


async def _tell(problem: Problem, send: Any) -> None:
    body = problem.body()
    start: HTTPSendMessage = {
        "type": "http.response.start",
        "status": problem.status,
        "headers": [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
