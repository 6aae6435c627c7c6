"""Waiting for another process."""

import time
from collections.abc import Callable


def until(
    condition: Callable[[], bool],
    limit: float,
    what: str,
    pause: float = 0.01,
    meanwhile: Callable[[], None] = lambda: None,
) -> float:
    """Wait for ``condition``; return when (``time.time()``) it was first true.

    ``meanwhile`` is called between the checks and may raise. Raises TimeoutError after ``limit`` seconds.
    """
    end = time.monotonic() + limit
    while True:
        if condition():
            return time.time()
        meanwhile()
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:g} s for {what}")
        time.sleep(pause)
