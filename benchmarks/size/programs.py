"""Runs our programs on a store of a given size, and measures their time, CPU time and memory."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from benchmarks.harness.processes import Processes, python
from benchmarks.harness.progress import Group
from benchmarks.harness.servers import Server, gateway, query_api
from benchmarks.harness.waiting import until
from benchmarks.size.store import Store
from schemas.topics import projector_group

LIMIT_S = 3_600.0


class Figure(Struct, frozen=True):
    """One measured value of a part. ``unit`` ending in ``/s`` is a rate: more is better."""

    part: str
    unit: str
    titles: int
    value: float


class Run(Struct, frozen=True):
    """A program that has ended: wall-clock and CPU time, the highest RSS, and its output."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    printed: str

    def json(self) -> Any:
        """The last line that the program printed, from JSON."""
        return json.loads(self.printed.splitlines()[-1])

    def figures(self, part: str, store: Store, unit: str, count: int) -> Iterator[Figure]:
        """Wall-clock and CPU time for each of ``count`` things (``unit``) in µs, and the memory."""
        yield Figure(part, f"µs/{unit}", store.titles, round(self.seconds / count * 1e6, 1))
        yield Figure(part, f"CPU µs/{unit}", store.titles, round(self.cpu_seconds / count * 1e6, 1))
        yield Figure(part, "MB", store.titles, round(self.peak_mb))


def options(store: Store) -> list[str]:
    """The options that lead any of our programs to the store."""
    settings = store.settings
    return ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", settings.data_dir]


def run(*arguments: str) -> Run:
    """Run ``python -m`` with these arguments to its end. Raises AssertionError if it fails."""
    with tempfile.TemporaryDirectory(prefix="library-size-") as folder:
        begun = time.perf_counter()
        with Processes([python(*arguments)], {}, Path(folder)) as processes:
            code = processes.wait(LIMIT_S)
            seconds = time.perf_counter() - begun
        printed, error = (Path(folder, f"0.{name}").read_text("utf-8") for name in ("out", "err"))
    assert code == 0, (arguments, code, error[-2000:])
    return Run(seconds, processes.cpu_seconds, processes.peak_mb, printed)


@contextmanager
def projector(store: Store) -> Iterator[Processes]:
    """Run a projector on the store's data directory; continue when the table has every event."""
    group = Group(store.settings, projector_group(store.settings))
    command = python("projector", *options(store), "--index", "0")
    with Processes([command], {}, store.folder / "projector") as processes:
        until(lambda: group.lag() == 0, LIMIT_S, "the projector to catch up", meanwhile=processes.check)
        yield processes


@contextmanager
def api(store: Store) -> Iterator[Server]:
    """Run the query API beside the projector; yield it when it answers."""
    with projector(store), query_api(store.settings, store.folder / "api") as server:
        yield server


class NewReplica(NamedTuple):
    """What a query API without a replica took until it was ready."""

    seconds: float
    cpu_seconds: float
    memory_mb: float


def new_replica(store: Store) -> NewReplica:
    """Run a query API without a replica until it is ready."""
    with projector(store):
        shutil.rmtree(store.folder / "api", ignore_errors=True)
        begun = time.perf_counter()
        with query_api(store.settings, store.folder / "api") as server:
            seconds = time.perf_counter() - begun
            memory_mb = server.processes.memory_mb()
    # The CPU time of processes is known when they have ended
    return NewReplica(seconds, server.processes.cpu_seconds, memory_mb)


@contextmanager
def running_gateway(store: Store) -> Iterator[tuple[Server, float]]:
    """Run a gateway with the store's snapshots; yield it and the seconds until it was ready."""
    begun = time.perf_counter()
    with gateway(store.settings, store.folder, LIMIT_S) as server:
        yield server, time.perf_counter() - begun
