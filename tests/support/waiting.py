"""Tests wait for a condition, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")

LIMIT_S = 120.0
"""Long enough for any machine: a condition that holds sooner is seen at once."""


def eventually(
    condition: Callable[..., T | Literal[False] | None], limit: float = LIMIT_S, pause: float = 0.02
) -> T:
    """Return the first true value of ``condition``; fails after ``limit`` seconds with the last value.

    An AssertionError in the condition counts as false, which allows conditions with several asserts.
    """
    end = time.monotonic() + limit
    while True:
        try:
            if value := condition():
                return value
            last: object = value
        except AssertionError as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s; at last: {last!r}")
        time.sleep(pause)


async def until(
    condition: Callable[..., T | Literal[False] | None], limit: float = LIMIT_S, pause: float = 0.02
) -> T:
    """``eventually`` for conditions that change in this event loop."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {limit} s"
        await asyncio.sleep(pause)
    return value
