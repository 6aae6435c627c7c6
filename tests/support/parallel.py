"""Spreads tests over the processes of pytest-xdist: whole systems first, a file or a room at a time."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

SHARED_ROOMS = ("tests/system/end_to_end/", "tests/system/operations/", "tests/system/security/")
"""Directories whose tests share a system: one process runs all of a room, and starts the system once."""
LONGEST_FIRST = ("tests/system/", "tests/chaos/", "tests/integration/")
"""Rings in the order of their start; short files at the end keep all processes busy."""


class RoomScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process the tests of a file, or of a room that shares a system."""

    def _split_scope(self, nodeid: str) -> str:
        return next((room for room in SHARED_ROOMS if nodeid.startswith(room)), nodeid.partition("::")[0])


def make_scheduler(config: Any, log: Any) -> RoomScheduling:
    """The scheduler; it keeps the order of ``start_order``."""
    config.option.loadscopereorder = False
    return RoomScheduling(config, log)


def start_order(nodeid: str) -> int:
    """The rank of a test's ring."""
    ranks = (rank for rank, ring in enumerate(LONGEST_FIRST) if nodeid.startswith(ring))
    return next(ranks, len(LONGEST_FIRST))
