"""The time that a command has left."""

from time import monotonic

MAX_REQUEST_S = 5.0
"""Time-out of one request to Kafka: a retry on another connection is better than a longer wait."""


class Deadline:
    """The moment ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._begun = monotonic()
        self._at = self._begun + seconds

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._begun

    def passes_within(self, seconds: float) -> bool:
        """Whether less than ``seconds`` are left."""
        return monotonic() + seconds >= self._at

    def left(self, most: float = MAX_REQUEST_S) -> float:
        """Time-out for one request, in seconds: the time left, at most ``most``, never 0."""
        return max(0.001, min(most, self._at - monotonic()))
