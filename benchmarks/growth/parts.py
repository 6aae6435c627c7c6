"""What is measured on each store. Each part runs alone: the parts before it need not have been measured."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.harness.contestants import ours, ready
from benchmarks.harness.load import WARM_UP_S, Request, load, script
from benchmarks.harness.processes import Processes
from benchmarks.harness.progress import Group
from benchmarks.harness.waiting import until
from benchmarks.size.operations import verify as verified
from benchmarks.size.programs import LIMIT_S, Figure, api, new_replica, options, run, running_gateway
from benchmarks.size.reads import CONNECTIONS, LOAD_S, TITLES
from benchmarks.size.store import Store
from benchmarks.size.writes import commands, first_start
from eventstore.topics import events_topic
from schemas.topics import changelog_topic

BLOCK_BYTES = 512
"""Of ``st_blocks``."""


def rebuild(store: Store, workers: int) -> Iterator[Figure]:
    """The table from nothing, from the first event to the group's lag of 0."""
    part = "rebuild, one worker" if workers == 1 else f"rebuild, {workers} workers"
    with tempfile.TemporaryDirectory(prefix="library-growth-", dir=store.folder) as name:
        entry = ours(store.settings, Path(name), workers)
        group = Group(store.settings, entry.group)
        with Processes(entry.commands, entry.environment, Path(name) / "output") as processes:
            ended = until(
                lambda: group.lag() == 0, LIMIT_S, "the table to be rebuilt", meanwhile=processes.check
            )
            until(lambda: ready(processes) is not None, 10, "a worker to report that it is ready")
            begun = ready(processes)
    assert begun is not None
    yield Figure(part, "events/s", store.titles, round(store.facts.events / (ended - begun)))
    yield Figure(part, "CPU µs/event", store.titles, _per_event(processes.cpu_seconds, store))
    yield Figure(part, "MB", store.titles, round(processes.peak_mb))
    # Of the changelog that was deleted
    for table in _tables(store):
        shutil.rmtree(table)


def replica(store: Store) -> Iterator[Figure]:
    """A query API without a replica, until it is ready."""
    part, new = "replica from nothing", new_replica(store)
    yield Figure(part, "events/s", store.titles, round(store.facts.events / new.seconds))
    yield Figure(part, "CPU µs/event", store.titles, _per_event(new.cpu_seconds, store))
    yield Figure(part, "MB", store.titles, round(new.memory_mb))


def reads(store: Store) -> Iterator[Figure]:
    """GET of titles at random, CONNECTIONS at once."""
    with api(store) as server:
        requests = [Request(f"/inventory/{isbn}") for isbn in store.facts.sample[:TITLES]]
        lua = script(requests, store.folder / "requests.lua")
        load(server.url, lua, CONNECTIONS, WARM_UP_S)
        rate, _, p99_ms = load(server.url, lua, CONNECTIONS, LOAD_S)
        memory_mb = server.processes.memory_mb()
    yield Figure("GET of a title", "requests/s", store.titles, round(rate))
    yield Figure("GET of a title", "ms p99", store.titles, round(p99_ms, 2))
    yield Figure("GET of a title", "MB", store.titles, round(memory_mb))


def gateway(store: Store) -> Iterator[Figure]:
    """The start of a gateway that has its snapshots, until it is ready."""
    if not (store.data / "producer").exists():
        list(first_start(store))
    with running_gateway(store) as (server, seconds):
        memory_mb = server.processes.memory_mb()
    yield Figure("gateway, start", "s", store.titles, round(seconds, 2))
    yield Figure("gateway, start", "MB", store.titles, round(memory_mb))


def verify(store: Store) -> Iterator[Figure]:
    """The table and the query API, compared with all events."""
    yield from (figure for figure in verified(store) if figure.part == "verify")


def backup(store: Store) -> Iterator[Figure]:
    """A backup into a file, and its size."""
    file = store.folder / "backup.gz"
    file.unlink(missing_ok=True)
    done = run("library", "backup", str(file), "--json", *options(store))
    yield from done.figures("backup", store, "event", done.json()["events"])
    yield Figure("disk: backup", "bytes/event", store.titles, _bytes_per_event(store, file))
    file.unlink()


def disk(store: Store) -> Iterator[Figure]:
    """The bytes that each part keeps."""
    with api(store):
        pass
    if not (store.data / "producer").exists():
        list(first_start(store))
    kafka = store.folder.parent / "kafka"
    for part, paths in (
        ("event store", list(kafka.rglob(f"{events_topic(store.settings)}-*"))),
        ("changelog", list(kafka.rglob(f"{changelog_topic(store.settings)}-*"))),
        ("table", _tables(store)),
        ("gateway's snapshots", [store.data / "producer"]),
        ("replica", [store.folder / "api" / "data"]),
    ):
        yield Figure(f"disk: {part}", "bytes/event", store.titles, _bytes_per_event(store, *paths))


PARTS: dict[str, Callable[[Store], Iterator[Figure]]] = {
    "rebuild-1": lambda store: rebuild(store, 1),
    "rebuild-2": lambda store: rebuild(store, 2),
    "replica": replica,
    "reads": reads,
    "gateway": gateway,
    "commands": commands,
    "verify": verify,
    "backup": backup,
    "disk": disk,
}


def _tables(store: Store) -> list[Path]:
    """The folders of the workers' tables."""
    return list(store.data.glob("projector-*"))


def _per_event(seconds: float, store: Store) -> float:
    return round(seconds / store.facts.events * 1e6, 1)


def _bytes_per_event(store: Store, *paths: Path) -> float:
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    # Kafka's indexes have holes: blocks are what a file takes
    total = sum(file.stat().st_blocks * BLOCK_BYTES for file in files if file.is_file())
    return round(total / store.facts.events, 1)
