"""Request bodies: bounded in size and in time."""

import asyncio
from typing import Any

from foundation.http.app import LARGEST_BODY_BYTES
from foundation.http.problem import Problem

BODY_TIMEOUT_S = 10.0
"""That a body may take to arrive."""
CHECK_INTERVAL_S = 0.5
"""Between two looks for bodies that are late."""
MOST_DISCARDED_BYTES = 256 * 1024 * 1024
"""Of a body too large that are still read: a sender that can't finish may not read the response."""


class BodyReader:
    """Reads bodies, each within BODY_TIMEOUT_S seconds, with one timer for all of them.

    ``asyncio.timeout`` sets a timer for each body, which costs a command 5.5 µs instead of 0.9: 5 % of a
    processor at 10,000 commands a second. It may take this class's place once ``make bench-append`` does not
    notice; tests/unit/producer/test_bodies.py holds for both.
    """

    def __init__(self) -> None:
        self._started: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, content_length: bytes | None, receive: Any) -> bytes:
        """A request's whole body. Raises Problem 400 for one that is cut off, 408 or 413."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._started[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(CHECK_INTERVAL_S, self._cancel_late, loop)
        try:
            return await self._read(content_length, receive)
        except asyncio.CancelledError:
            if task not in self._started and not task.uncancel():
                detail = f"the body did not arrive in {BODY_TIMEOUT_S:g} seconds"
                raise Problem(408, "too_slow", detail) from None
            raise
        finally:
            self._started.pop(task, None)

    async def _read(self, content_length: bytes | None, receive: Any) -> bytes:
        if content_length is not None and (
            len(content_length) > 9 or int(content_length) > LARGEST_BODY_BYTES
        ):
            raise self._too_large()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                # The part that arrived may be a whole command by itself, but another length was announced
                raise Problem(400, "malformed", "the connection ended before the body", field="body")
            body += message.get("body", b"")
            if len(body) > LARGEST_BODY_BYTES:
                raise self._too_large()
            more = message.get("more_body", False)
        return body

    def _too_large(self) -> Problem:
        detail = f"a command has at most {LARGEST_BODY_BYTES} bytes"
        return Problem(413, "too_large", detail, headers={"Connection": "close"})

    def _cancel_late(self, loop: asyncio.AbstractEventLoop) -> None:
        late = [task for task, start in self._started.items() if loop.time() - start >= BODY_TIMEOUT_S]
        for task in late:
            del self._started[task]
            task.cancel()
        self._timer = loop.call_later(CHECK_INTERVAL_S, self._cancel_late, loop) if self._started else None


async def discard(receive: Any) -> None:
    """Read the rest of a body, within bounds, and drop it."""
    read = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while read < MOST_DISCARDED_BYTES:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return
