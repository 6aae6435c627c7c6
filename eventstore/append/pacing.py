"""Adaptive pause between two transactions of one transactional id.

Kafka acknowledges a commit before it has ended the transaction everywhere. It rejects a transaction that
starts too early (CONCURRENT_TRANSACTIONS), and librdkafka then waits a fixed 20 ms. On a busy broker that
happened to nearly every transaction of a busy partition. A pause of a few milliseconds costs less, and the
commands that arrive meanwhile join the next batch. We learn the shortest pause that avoids the rejection.
See ``docs/decisions/0007``.
"""

CLIENT_RETRY_S = 0.020
"""librdkafka's wait after a rejection. A delivery that took less was not rejected."""
MAX_PAUSE_S = 0.016
STEP_S = 0.002
DECAY = 0.99
"""Factor by which each delivery without a rejection shortens the pause."""
REJECTION_WINDOW_S = 0.1
"""After a commit, a transaction can be rejected for this long."""


class Pacing:
    """The pause of one transactional id. All times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        """The pause that recent transactions showed to be enough."""
        self._ended = float("-inf")

    def ended(self, at: float) -> None:
        """Record that the end of a transaction was acknowledged."""
        self._ended = at

    def left(self, now: float) -> float:
        """Seconds that the next transaction should still wait."""
        return max(0.0, self._ended + self.pause_s - now)

    def delivered(self, begun: float, ended: float) -> None:
        """Adapt the pause to the time that a transaction's delivery took."""
        if begun - self._ended > REJECTION_WINDOW_S:
            return
        rejected = ended - begun >= CLIENT_RETRY_S
        self.pause_s = min(MAX_PAUSE_S, self.pause_s + STEP_S) if rejected else self.pause_s * DECAY
