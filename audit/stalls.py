"""Consumer groups that stand still while events come."""

from collections.abc import Mapping

FAR_BEHIND = 10_000
"""Offsets. A group that works in a partition so far behind lets others wait for their turn."""

Key = tuple[str, int]
"""A group, and a partition."""


class Stalls:
    """Compares the offsets that groups have committed between calls. Times are monotonic, in seconds.

    It knows nothing of the ages of events, of members, or of what the groups report about themselves.
    """

    def __init__(self) -> None:
        self._committed: dict[Key, int] = {}
        self._since: dict[Key, float] = {}

    def update(
        self, groups: Mapping[str, Mapping[int, int]], last_events: Mapping[int, int], now: float
    ) -> dict[Key, float]:
        """For how long each group has had events before it in a partition without a move; 0: it has none.

        ``groups`` are the offsets that each has committed, ``last_events`` those of the last event that was
        seen in each partition.
        """
        committed = {(group, p): offset for group, offsets in groups.items() for p, offset in offsets.items()}
        since: dict[Key, float] = {}
        for key, offset in committed.items():
            group, partition = key
            if offset <= last_events.get(partition, -1):
                takes_turns = self._takes_turns(group, committed, last_events)
                moved = takes_turns or self._committed.get(key) != offset
                since[key] = now if moved else self._since.get(key, now)
        self._committed, self._since = committed, since
        return {key: now - since.get(key, now) for key in committed}

    def _takes_turns(self, group: str, committed: Mapping[Key, int], last_events: Mapping[int, int]) -> bool:
        """Whether the group moved in a partition in which it is far behind."""
        return any(
            self._committed.get(key) != offset and last_events.get(key[1], 0) - offset > FAR_BEHIND
            for key, offset in committed.items()
            if key[0] == group
        )
