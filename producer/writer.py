"""Conditional append to one partition of the event store."""

from producer.outcomes import Outcome, Submitted
from schemas.settings import Settings


class Writer:
    """Writes one partition. Not for several threads at once."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self.settings, self.partition = settings, partition

    def execute(self, submitted: list[Submitted], deadline_s: float) -> list[Outcome]:
        """Decide the commands in order and append all their events in one transaction: all or nothing.

        One outcome for each command, in order, after at most ``deadline_s`` seconds.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give the partition up; another writer takes it without waiting."""
