"""How an audit is, as it reports itself."""

from msgspec import Struct

from audit.differences import Difference


class Stall(Struct, frozen=True):
    """A consumer group that has not moved in a partition for so many seconds, although events wait."""

    group: str
    partition: int
    seconds: float


class Report(Struct, frozen=True, kw_only=True):
    """The state of an audit at ``at`` (ms since 1970, UTC). Counts are of this process."""

    service: str = "audit"
    ready: bool = False
    """It reads both topics."""
    trouble: str = ""
    """Why nothing can be compared at the moment."""
    at: int = 0
    period_seconds: float = 0.0
    """Every row is to be compared within this time."""
    group: str = ""
    """The consumer group of the table that is compared."""
    position: str = ""
    """The positions of the table that rows were compared at."""
    rows_compared: int = 0
    differences: int = 0
    """Titles whose row differs now."""
    differences_found: int = 0
    oldest_seconds: dict[int, float] = {}
    """By partition, the age of the oldest row that was not compared since."""
    stalls: list[Stall] = []
    """The groups of the event store; ``seconds`` is 0 for those that move, or have nothing to read."""
    details: list[Difference] = []
    """At most 100 differences of each partition, with their values."""

    @property
    def oldest(self) -> float:
        """The age of the oldest row that was not compared since, in seconds."""
        return max(self.oldest_seconds.values(), default=0.0)
