"""Tests are spread over processes, and one that dies costs a single test."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from xdist.remote import Producer

from tests.support.parallel import RoomScheduling

A = [f"tests/unit/test_a.py::test_{number}" for number in range(4)]
B = ["tests/unit/test_b.py::test_alone"]
C = ["tests/unit/test_c.py::test_alone"]
ROOM = [f"tests/system/security/test_{name}.py::test_it" for name in "abc"]


class Node:
    """A process: it starts a test when it knows the next one, or that there is none."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.queue: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_start(self) -> bool:
        return len(self.queue) > 1 or (bool(self.queue) and self.shutting_down)


class Run:
    """A scheduler of ``tests`` with its nodes, each of which has collected them."""

    def __init__(self, tests: list[str], nodes: int) -> None:
        option = SimpleNamespace(tx=["popen"] * nodes, loadscopereorder=False)
        config = SimpleNamespace(getvalue=lambda name: getattr(option, name), option=option)
        self.tests, self.ran = tests, list[str]()
        self.scheduler = RoomScheduling(config, Producer("tests", enabled=False))
        self.nodes = [self.join(f"gw{number}") for number in range(nodes)]
        self.scheduler.schedule()

    def join(self, name: str) -> Node:
        node = Node(name)
        self.scheduler.add_node(node)
        self.scheduler.add_node_collection(node, self.tests)
        return node

    def step(self, node: Node) -> None:
        index = node.queue.pop(0)
        self.ran.append(self.tests[index])
        self.scheduler.mark_test_complete(node, index)

    def finish(self) -> None:
        """Run all that can start."""
        while ready := [node for node in self.nodes if node.can_start]:
            self.step(ready[0])

    def die(self, node: Node) -> str | None:
        self.nodes.remove(node)
        return self.scheduler.remove_node(node)

    def replace(self, name: str) -> None:
        """A new process starts, as after a death."""
        self.nodes.append(self.join(name))
        self.scheduler.schedule()


def test_every_test_runs_once():
    run = Run([*A, *B, *C, *ROOM], 2)
    run.finish()
    assert sorted(run.ran) == sorted(run.tests)
    assert all(node.shutting_down for node in run.nodes)


def test_a_room_that_shares_a_system_runs_in_one_process():
    run = Run([*ROOM, *A], 2)
    assert run.nodes[0].queue[:3] == [0, 1, 2]


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("tests", [[*A, *B, *C], [*B, *A, *C], [*B, *C, *A]])
def test_all_tests_but_the_one_that_a_process_died_in_run_once(tests: list[str], before: int):
    run = Run(tests, 2)
    dies = run.nodes[0]
    for _ in range(before):
        if dies.can_start:
            run.step(dies)
    died_in: Any = run.tests[dies.queue[0]] if dies.queue else None
    assert run.die(dies) == died_in
    run.finish()
    run.replace("gw2")
    run.finish()
    assert sorted(run.ran) == sorted(set(tests) - {died_in})
    assert all(node.shutting_down for node in run.nodes)


def test_a_death_while_a_new_process_still_collects_is_survived():
    run = Run([*A, *B, *C], 2)
    late = Node("gw2")
    run.scheduler.add_node(late)
    assert run.die(run.nodes[0]) == A[0]
    run.scheduler.add_node_collection(late, run.tests)
    run.nodes.append(late)
    run.scheduler.schedule()
    run.finish()
    assert sorted(run.ran) == sorted(set(run.tests) - {A[0]})
