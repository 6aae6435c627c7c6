"""Whether a consumer group is behind or broken: its progress between samples. Pure."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from query_api.http.group_lag import Group

STUCK_AFTER_S = 30.0
"""Without progress in a partition with events, although the group has members."""

Health: TypeAlias = Literal["caught_up", "behind", "replaying", "stopped", "stuck"]
BROKEN: tuple[Health, ...] = ("stopped", "stuck")


class Replay(Struct, frozen=True):
    """A group that was set back: offsets that it has read again, of those it has to."""

    done: int
    total: int


class Track(Struct, frozen=True):
    """The memory of a group between samples. Times are monotonic, in seconds."""

    at: float
    committed: Mapping[int, int]
    moved_at: Mapping[int, float]
    """When each partition last moved, or had nothing to handle."""
    highest: Mapping[int, int]
    replayed: int = 0
    """Offsets of a replay that are still to be read again."""
    replay_total: int = 0
    rate: float = 0.0
    """Offsets handled a second."""

    @property
    def replay(self) -> Replay | None:
        """The replay that goes on; None: there is none."""
        return Replay(self.replay_total - self.replayed, self.replay_total) if self.replayed else None


def track(before: Track | None, group: Group, pending: Mapping[int, float], now: float) -> Track:
    """The group's track at ``now``. ``pending`` has the partitions with events that it has not handled."""
    was = {} if before is None else before.committed
    moved_at = {
        p: now
        if before is None or p not in pending or group.committed.get(p) != was.get(p)
        else before.moved_at.get(p, now)
        for p in group.lag
    }
    highest = dict(group.committed) if before is None else dict(before.highest)
    for p, offset in group.committed.items():
        highest[p] = max(offset, highest.get(p, 0))
    # A topic that was made again may end earlier
    left = sum(
        min(max(0, top - group.committed.get(p, 0)), group.lag.get(p, 0)) for p, top in highest.items()
    )
    total = max(left, 0 if before is None else before.replay_total) if left else 0
    handled = sum(max(0, offset - was.get(p, offset)) for p, offset in group.committed.items())
    elapsed = 0.0 if before is None else now - before.at
    return Track(
        now, group.committed, moved_at, highest, left, total, handled / elapsed if elapsed > 0 else 0.0
    )


def health(group: Group, tracked: Track, pending: Mapping[int, float]) -> Health:
    """How the group is: one with members that moves is behind, others with pending events are broken."""
    if not pending:
        return "caught_up"
    if group.members is not None and not group.members:
        return "stopped"
    if any(tracked.at - tracked.moved_at.get(p, tracked.at) >= STUCK_AFTER_S for p in pending):
        return "stuck"
    return "replaying" if tracked.replayed else "behind"
