"""Waiting in tests: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], limit: float = 20.0, pause: float = 0.02) -> T:
    """The first true value of ``condition``; fails after ``limit`` seconds with the last value or error.

    An AssertionError of the condition means "not yet", so it may be written with asserts.
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


async def until(condition: Callable[[], T], limit: float = 20.0, pause: float = 0.02) -> T:
    """``eventually`` for a condition that an event loop brings about."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {limit} s"
        await asyncio.sleep(pause)
    return value
