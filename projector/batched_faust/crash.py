"""A crash that is reported in the loop of each service.

A service that crashes in one thread sets events of services in the other. mode does that directly, and their
uvloop, whose methods belong to one thread, then ends the process now and then (SIGSEGV): the supervisor would
see that instead of the exit code.
"""

import asyncio
from contextlib import suppress

from mode import Service


class CrashInOwnLoop(Service):
    """A service that may be told by any thread that something crashed."""

    abstract = True

    def _crash(self, reason: BaseException) -> None:
        if _running_loop() is self.loop:
            super()._crash(reason)
            return
        # A closed loop: its thread has ended already
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(super()._crash, reason)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
