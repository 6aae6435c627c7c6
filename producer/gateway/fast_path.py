"""What stands before the gateway's routes: whose name is asked for, and commands, which need no framework.

``POST /commands`` is answered here: the framework would cost as much time as all else that happens to a
command in this process. It is a route, too (``gateway_routes``), and does the same there.
"""

import logging
from collections import Counter
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from foundation.http.callers import AllowedHosts, as_problem
from producer.gateway.gateway import Gateway
from producer.gateway.requests import Intake, discard, once
from producer.gateway.responses import HttpResponse, answer, problem_answer

log = logging.getLogger(__name__)

SAFETY = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]


class CommandFastPath:
    """The ASGI application that the server runs. ``answers`` counts those to commands, by status."""

    def __init__(self, app: ASGIApp, gateway: Gateway, intake: Intake, answers: Counter[int]) -> None:
        self._app, self._gateway, self._intake, self._answers = app, gateway, intake, answers
        self._callers = AllowedHosts(gateway.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Any = scope
        if request["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_command = request["path"] == "/commands" and request["method"] == "POST"
        try:
            headers = once(request["headers"])
            self._callers.check(_text(headers.get(b"host")), _text(headers.get(b"origin")))
            if not is_command:
                await self._app(scope, receive, _completing(request, send))
                return
            submitted = await self._intake.command(headers, receive)
            outcome = await self._gateway.submit(submitted)
            told = answer(outcome, submitted.command_id, submitted.command.isbn)
        except Exception as error:
            problem = as_problem(error)
            if problem.status == 500:
                log.exception("%s %s failed", request["method"], request["path"])
            told = problem_answer(problem)
        if is_command:
            self._answers[told.status] += 1
        await _send(told, send)
        if told.status == 413:
            await discard(receive)


async def _send(told: HttpResponse, send: Any) -> None:
    length = (b"content-length", b"%d" % len(told.body))
    headers = [*told.headers, length, *SAFETY]
    await send({"type": "http.response.start", "status": told.status, "headers": headers})
    await send({"type": "http.response.body", "body": told.body})


def _completing(request: Any, send: Send) -> Any:
    """``send``, adding what every answer has; a HEAD is a GET whose body the server leaves out."""
    if request["method"] == "HEAD":
        request["method"] = "GET"

    async def send_completed(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [(name.lower(), value) for name, value in message["headers"]]
            if message["status"] == 405:
                headers = [
                    (name, value.replace(b"GET", b"GET, HEAD") if name == b"allow" else value)
                    for name, value in headers
                ]
            given = {name for name, _ in headers}
            message["headers"] = headers + [header for header in SAFETY if header[0] not in given]
        await send(message)

    return send_completed


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
