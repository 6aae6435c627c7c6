"""A response that lasts: server-sent events as they come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from litestar.types import Receive, Scope, Send

STALLED = 60.0
"""Seconds after which a reader who takes nothing is let go; it may come back with the last id it got."""
_AT_ONCE = 0.1
"""Seconds within which a reader mostly takes what it is sent."""
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # Else a proxy may collect what should be seen at once
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """ASGI: sends ``events`` until they end, the reader leaves, or takes nothing for too long.

    Too long is also when ``outrun``, called when the reader has not taken what it was sent, comes to its end
    before that is taken.
    """

    def __init__(self, events: AsyncIterator[bytes], outrun: Callable[[], Awaitable[None]]) -> None:
        self._events, self._outrun = events, outrun

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
            taking = asyncio.ensure_future(_sent(send, event, more=True))
            try:
                await asyncio.wait({taking}, timeout=_AT_ONCE)
                if not taking.done() and not await self._taken(taking):
                    return
                taking.result()
            finally:
                taking.cancel()
        await _sent(send, b"", more=False)

    async def _taken(self, taking: asyncio.Future[None]) -> bool:
        left_behind = asyncio.ensure_future(self._outrun())
        try:
            await asyncio.wait({taking, left_behind}, timeout=STALLED, return_when=asyncio.FIRST_COMPLETED)
            return taking.done()
        finally:
            left_behind.cancel()


async def _sent(send: Send, body: bytes, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _gone(receive: Receive) -> None:
    message: Any = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
