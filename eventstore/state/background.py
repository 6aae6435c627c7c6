"""Work that can wait, done beside threads that can't.

Python runs one thread at a time: what one computes, the others wait for. So such work is done by one thread
at a time, in short spells with long rests between them.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

SPELL = 0.0005
"""Seconds of work."""
REST = 12
"""Times as long as it worked."""
LOOK = 0.05
"""Seconds between two looks whether somebody waits for the work."""
MANY = 64
"""Items that may be worked through between two chances to pause."""

T = TypeVar("T")

_turn = threading.Lock()


class Pause(Protocol):
    """Called between small pieces of work."""

    def __call__(self) -> None:
        """Rest, if it is time to."""


def never() -> None:
    """Somebody waits for the work: no rest."""


def paced(items: Iterable[T], pause: Pause) -> Iterator[T]:
    """``items`` as they are, with a chance to pause at every MANYth."""
    for number, item in enumerate(items):
        if number % MANY == 0:
            pause()
        yield item


class BackgroundThrottle:
    """Of one thread's work. ``hurry`` may be set by another: no more rests, and no waiting for a turn."""

    def __init__(self) -> None:
        self.hurry = False
        self._begun = 0.0

    def __call__(self) -> None:
        """Rest, if it is time to."""
        worked = time.thread_time() - self._begun
        if worked >= SPELL and not self.hurry:
            time.sleep(min(worked, 2 * SPELL) * REST)
            self._begun = time.thread_time()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other thread of this process works so."""
        mine = False
        while not mine and not self.hurry:
            mine = _turn.acquire(timeout=LOOK)
        try:
            yield
        finally:
            if mine:
                _turn.release()
