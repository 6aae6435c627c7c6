"""A response without an end: server-sent events as they happen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from litestar.types import Receive, Scope, Send

STALL_TIMEOUT_S = 60.0
"""After which a reader that accepts nothing is disconnected; it may resume with the last id it got."""
_PROMPT_S = 0.1
"""Within which a reader normally accepts an event."""
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # Otherwise a proxy may collect events instead of passing them on
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """ASGI: sends ``events`` until they end, or the reader leaves, or accepts nothing for STALL_TIMEOUT_S.

    A slow reader is also disconnected if ``backlog_exceeded()`` returns before it accepts the pending event.
    """

    def __init__(self, events: AsyncIterator[bytes], backlog_exceeded: Callable[[], Awaitable[None]]) -> None:
        self._events, self._backlog_exceeded = events, backlog_exceeded

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()

    async def _send(self, send: Send) -> None:
        async for event in self._events:
            accepting = asyncio.ensure_future(_send_body(send, event, more=True))
            try:
                await asyncio.wait({accepting}, timeout=_PROMPT_S)
                if not accepting.done() and not await self._accepted(accepting):
                    return
                accepting.result()
            finally:
                accepting.cancel()
        await _send_body(send, b"", more=False)

    async def _accepted(self, accepting: asyncio.Future[None]) -> bool:
        exceeded = asyncio.ensure_future(self._backlog_exceeded())
        try:
            await asyncio.wait(
                {accepting, exceeded}, timeout=STALL_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            return accepting.done()
        finally:
            exceeded.cancel()


async def _send_body(send: Send, body: bytes, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(receive: Receive) -> None:
    message: Any = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
