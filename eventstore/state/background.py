"""Background work that leaves Python's lock to the threads that serve callers.

Python runs one thread at a time, so the computation of one thread delays all others. Background work runs in
one thread at a time, in short spells with long rests between them.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

SPELL_S = 0.0005
"""Work between two rests."""
REST_FACTOR = 12
"""A rest takes this many times as long as the work before it."""
TURN_INTERVAL_S = 0.05
"""Interval at which a waiting thread checks whether somebody waits for its result."""
ITEMS_PER_PAUSE = 64
"""Items between two chances to pause."""

T = TypeVar("T")

_turn = threading.Lock()


class Pause(Protocol):
    """Called between small pieces of work."""

    def __call__(self) -> None:
        """Rest if a rest is due."""


def never() -> None:
    """No rest: somebody waits for the result."""


def paced(items: Iterable[T], pause: Pause) -> Iterator[T]:
    """``items`` unchanged, with a chance to pause after every ITEMS_PER_PAUSE."""
    for number, item in enumerate(items):
        if number % ITEMS_PER_PAUSE == 0:
            pause()
        yield item


class BackgroundThrottle:
    """Throttles one thread. Another thread may set ``hurry``: no more rests, and no waiting for a turn."""

    def __init__(self) -> None:
        self.hurry = False
        self._begun = 0.0

    def __call__(self) -> None:
        """Rest if a rest is due."""
        worked = time.thread_time() - self._begun
        if worked >= SPELL_S and not self.hurry:
            time.sleep(min(worked, 2 * SPELL_S) * REST_FACTOR)
            self._begun = time.thread_time()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other thread of this process does background work."""
        mine = False
        while not mine and not self.hurry:
            mine = _turn.acquire(timeout=TURN_INTERVAL_S)
        try:
            yield
        finally:
            if mine:
                _turn.release()
