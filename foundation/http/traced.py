"""Spans of requests, in a process that traces."""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from foundation import tracing
from foundation.tracing import TRACEPARENT

_HEADER = TRACEPARENT.encode()


class TracedRequests:
    """ASGI: a span of the server for each request with ``traceparent``.

    ``app`` gets the header with this span in place of the caller's, as W3C Trace Context asks of everybody
    who takes part in a trace: what ``app`` does is then part of the span.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Any = scope
        if request["type"] != "http" or tracing.tracer is None:
            await self._app(scope, receive, send)
            return
        parents = [value for name, value in request["headers"] if name == _HEADER]
        if len(parents) != 1:
            await self._app(scope, receive, send)
            return
        span = tracing.begin(request["method"], parents[0].decode("latin-1"))
        if (own := tracing.traceparent_of(span)) is None:
            await self._app(scope, receive, send)
            return
        request["headers"] = [
            (name, own.encode() if name == _HEADER else value) for name, value in request["headers"]
        ]
        span.set_attribute("http.request.method", request["method"])
        span.set_attribute("url.path", request["path"])

        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            span.end()
