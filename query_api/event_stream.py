"""A response that lasts: server-sent events as they come."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar.types import Receive, Scope, Send

STALLED = 60.0
"""Seconds after which a reader who takes nothing is let go; it may come back with the last id it got."""
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # Else a proxy may collect what should be seen at once
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """ASGI: sends ``events`` until they end, the reader leaves, or takes nothing for too long."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        self._events = events

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()

    async def _send(self, send: Send) -> None:
        async for event in self._events:
            try:
                await asyncio.wait_for(_sent(send, event, more=True), STALLED)
            except TimeoutError:
                return
        await _sent(send, b"", more=False)


async def _sent(send: Send, body: bytes, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _gone(receive: Receive) -> None:
    message: Any = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
