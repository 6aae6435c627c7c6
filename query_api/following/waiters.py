"""Requests that wait until the replica includes their caller's writes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from query_api.replica.progress import Progress


class Waiters:
    """The waiting requests of one event loop, woken from the follower's thread."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Callable[[Progress], bool]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ended = False
        """The process ends: no request waits any more."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests can wait on this loop while the block lasts."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None

    def notify(self, progress: Progress) -> None:
        """Wake the requests whose condition holds of ``progress``. Safe from any thread."""
        loop = self._loop
        if loop is not None and self._waiting:
            loop.call_soon_threadsafe(self._wake, progress)

    async def end(self) -> None:
        """Stop all waits; the requests answer from the present state."""
        self.ended = True
        for future in self._waiting:
            future.cancel()

    async def until(
        self, condition: Callable[[Progress], bool], now: Callable[[], Progress | None], timeout: float
    ) -> bool:
        """Whether ``condition`` holds of the progress within ``timeout`` (s). ``now`` returns it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = condition
        try:
            # After it is registered: no progress made in between is missed
            if (progress := now()) is not None and condition(progress):
                return True
            if not self.ended:
                await asyncio.wait({future}, timeout=timeout)
            return future.done() and not future.cancelled()
        finally:
            del self._waiting[future]

    def _wake(self, progress: Progress) -> None:
        for future, condition in self._waiting.items():
            if not future.done() and condition(progress):
                future.set_result(None)
