"""How long a transactional id should rest between two transactions: learnt, for Kafka does not say it.

Kafka acknowledges a commit before it has ended the transaction everywhere. One that begins meanwhile is
turned away (CONCURRENT_TRANSACTIONS), and its client asks again after 20 ms, which can't be configured. On a
busy broker that met nearly every transaction of a busy partition. To rest for a few milliseconds costs less,
and what arrives in them joins the next batch.
"""

RETRY = 0.020
"""Seconds that librdkafka waits when it was turned away; a delivery that took less was not."""
LONGEST = 0.016
STEP = 0.002
FORGETTING = 0.99
SOON = 0.1
"""Seconds after a commit in which a transaction may still be turned away."""


class Pacing:
    """Of one transactional id. All times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.length = 0.0
        """Seconds that the last transactions showed to be enough."""
        self._ended = float("-inf")

    def ended(self, at: float) -> None:
        """A transaction's end was acknowledged."""
        self._ended = at

    def left(self, now: float) -> float:
        """Seconds that the next transaction should still wait."""
        return max(0.0, self._ended + self.length - now)

    def delivered(self, begun: float, ended: float) -> None:
        """A transaction's records were delivered: learn from how long that took."""
        if begun - self._ended > SOON:
            return
        turned_away = ended - begun >= RETRY
        self.length = min(LONGEST, self.length + STEP) if turned_away else self.length * FORGETTING
