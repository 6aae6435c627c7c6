"""Spreads tests over the processes of pytest-xdist: whole systems first, a file or a room at a time."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

SHARED_ROOMS = ("tests/system/end_to_end/", "tests/system/operations/", "tests/system/security/")
"""Directories whose tests share a system: one process runs all of a room, and starts the system once."""
LONGEST_FIRST = ("tests/system/", "tests/chaos/", "tests/integration/")
"""Rings in the order of their start; short files at the end keep all processes busy."""


class RoomScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process the tests of a file, or of a room that shares a system.

    A process that dies fails the test that it ran, and others run the rest. LoadScopeScheduling alone runs
    that test again, and the run never ends: the next process waits for more where it got a unit whose tests
    are all done, or a single test.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((room for room in SHARED_ROOMS if nodeid.startswith(room)), nodeid.partition("::")[0])

    def remove_node(self, node: Any) -> str | None:
        """Hand out the tests that the node has not run. Returns the one that it died in."""
        workload = self.assigned_work.pop(node)
        left = {
            scope: [test for test, done in tests.items() if not done] for scope, tests in workload.items()
        }
        died_in: str | None = next((tests.pop(0) for tests in left.values() if tests), None)
        again = {scope: dict.fromkeys(tests, False) for scope, tests in left.items() if tests}
        self.workqueue.update(again)
        for other in self.assigned_work.keys() & self.registered_collections.keys():
            self._reschedule(other)
        return died_in

    def _reschedule(self, node: Any) -> None:
        """Keep two tests with the node: it starts one when it knows the next, or that there is none."""
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            if not self.workqueue:
                node.shutdown()
                return
            self._assign_work_unit(node)


def make_scheduler(config: Any, log: Any) -> RoomScheduling:
    """The scheduler; it keeps the order of ``start_order``."""
    config.option.loadscopereorder = False
    return RoomScheduling(config, log)


def start_order(nodeid: str) -> int:
    """The rank of a test's ring."""
    ranks = (rank for rank, ring in enumerate(LONGEST_FIRST) if nodeid.startswith(ring))
    return next(ranks, len(LONGEST_FIRST))
