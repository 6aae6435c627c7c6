"""Waiting for what another process does."""

import time
from collections.abc import Callable


def until(
    condition: Callable[[], bool],
    limit: float,
    what: str,
    pause: float = 0.01,
    meanwhile: Callable[[], None] = lambda: None,
) -> float:
    """When (``time.time()``) ``condition`` was first seen to hold.

    ``meanwhile`` is called between looks and may raise. Raises TimeoutError after ``limit`` seconds.
    """
    end = time.monotonic() + limit
    while True:
        if condition():
            return time.time()
        meanwhile()
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:g} s for {what}")
        time.sleep(pause)
