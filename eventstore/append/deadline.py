"""The time that a command has left."""

from collections.abc import Callable
from time import monotonic

MAX_REQUEST_S = 5.0
"""Time-out of one request to Kafka: a retry on another connection is better than a longer wait."""


def always() -> bool:
    """The time is limited, whatever is achieved in it."""
    return True


class Deadline:
    """The moment ``seconds`` from now, or from the last progress while it is not ``urgent``."""

    def __init__(self, seconds: float, urgent: Callable[[], bool] = always) -> None:
        self._seconds, self._urgent = seconds, urgent
        self._begun = monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the start, or since the progress that counted."""
        return monotonic() - self._begun

    def progress(self) -> None:
        """Begin anew unless it is urgent."""
        if not self._urgent():
            self._begun = monotonic()

    def passes_within(self, seconds: float) -> bool:
        """Whether less than ``seconds`` are left."""
        return monotonic() + seconds >= self._begun + self._seconds

    def left(self, most: float = MAX_REQUEST_S) -> float:
        """Time-out for one request, in seconds: the time left, at most ``most``, never 0."""
        return max(0.001, min(most, self._begun + self._seconds - monotonic()))
