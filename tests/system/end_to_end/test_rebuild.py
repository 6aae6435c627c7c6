"""A rebuild under ``library up``: readers and writers notice nothing."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from eventstore.positions import parse_positions
from foundation.cli import exits
from foundation.http.client import Service
from tests.support.library.installed_system import System
from tests.support.waiting import eventually

A = "9781593275846"


@pytest.fixture
def own(broker: str, tmp_path: Path) -> Iterator[System]:
    """A system whose first table may be dropped."""
    made = System(tmp_path)
    with made.running("--kafka", broker, "--name", "rebuilt"):
        yield made


class Reader:
    """Reads a title all the time, and keeps status, version and position of each answer."""

    def __init__(self, system: System) -> None:
        self._url, self._ended = system.settings.api, threading.Event()
        self.seen: list[tuple[int, int, dict[int, int]]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with Service(self._url, 10) as service:
            while not self._ended.is_set():
                answer = service.get(("inventory", A), {})
                position = parse_positions(answer.headers["Inventory-Position"])
                self.seen.append((answer.status, answer.value.get("version", 0), position))

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@pytest.mark.slow
def test_readers_notice_nothing_of_a_rebuild(own: System, broker: str) -> None:
    own.receipt("add", A, "T", "A", "500")
    reader = Reader(own)

    def write(times: int = 4) -> None:
        for _ in range(times):
            own.receipt("borrow", A, f"u{time.monotonic_ns()}")

    try:
        write()
        assert "projector.2" in own.library("rebuild", "start").stderr
        write()
        eventually(lambda: own.status()["projector.2"]["state"] == "running")
        assert own.library("rebuild", "diff").returncode == exits.DONE
        own.done("rebuild", "switch")
        write()
        own.done("rebuild", "rollback")
        write()
        own.done("rebuild", "switch")
        write()
        own.done("rebuild", "drop", "--yes")
        write()
    finally:
        reader.end()
    assert {status for status, *_ in reader.seen} == {200}
    assert all(version >= before for (_, before, _), (_, version, _) in pairwise(reader.seen))
    assert all(
        position.get(partition, -1) >= offset
        for (*_, before), (*_, position) in pairwise(reader.seen)
        for partition, offset in before.items()
    )
    assert "projector" not in own.status()
    own.done("verify")
    own.done("replay")
    own.done("down")
    with own.running("--kafka", broker, "--name", "rebuilt"):
        assert own.status()["projector.2"]["state"] == "running"
        write(1)
        own.done("verify")
