"""How long a command may still take."""

from time import monotonic

LONGEST_REQUEST = 5.0
"""Seconds that one request to Kafka is given: then it is better asked again on another connection."""


class Deadline:
    """A moment ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self._begun = monotonic()
        self._at = self._begun + seconds

    @property
    def spent(self) -> float:
        """Seconds since it was set."""
        return monotonic() - self._begun

    def passes_within(self, seconds: float) -> bool:
        """Whether less than ``seconds`` are left."""
        return monotonic() + seconds >= self._at

    def left(self, most: float = LONGEST_REQUEST) -> float:
        """Seconds to give one request: what is left, at most ``most``, and never 0."""
        return max(0.001, min(most, self._at - monotonic()))
