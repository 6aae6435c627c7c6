"""``python -m benchmarks.rebuild`` rebuilds the table with ours, Kafka Streams and stock Faust in turn."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.contestants import STOCK_EVENTS, Contestant, contestants
from benchmarks.expected import Rows, compare, independent_fold
from benchmarks.live import latency, lives
from benchmarks.processes import Processes
from benchmarks.progress import Group, records
from benchmarks.results import save, say, show
from benchmarks.store import fill
from benchmarks.waiting import until
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.broker.kafka import Node
from library.process.ports import free_port
from schemas.topics import ensure_topics
from tests.support.embedded_kafka import Kafka
from tests.support.workload import workload

REBUILD_LIMIT_S = 600.0
RESULTS = Path(__file__).parent / "results"


class Result(Struct, frozen=True):
    """One rebuild. One rate begins at the first event, the other at the start of the processes."""

    name: str
    events: int
    events_per_second: float
    whole_process_events_per_second: float
    cpu_seconds: float
    peak_mb: float


class Store(Struct, frozen=True):
    """An event store and its expected rows."""

    settings: Settings
    events: int
    rows: Rows


def filled(settings: Settings, events: int, titles: int, seed: int) -> Store:
    """Create the topics and fill the store."""
    ensure_topics(AdminClient(client_config(settings)), settings)
    written = fill(settings, islice(workload(titles, seed), events))
    say(f"{written.events:,} events written in {written.seconds:.1f} s")
    return Store(settings, written.events, independent_fold(settings))


def rebuild(contestant: Contestant, store: Store, folder: Path) -> Result:
    """Rebuild the table once and check it. Raises TableDiffers, ProcessEnded, TimeoutError."""
    entry = contestant.enter(store.settings, folder)
    group = Group(store.settings, entry.group)
    with Processes(entry.commands, entry.environment, folder / "output") as processes:

        def is_through() -> bool:
            if contestant.commits:
                return group.lag() == 0
            return records(store.settings, entry.changelog) >= store.events

        ended = until(
            is_through, REBUILD_LIMIT_S, f"{contestant.name} to catch up", meanwhile=processes.check
        )
        until(lambda: contestant.began(processes) is not None, 10, f"{contestant.name} to report its start")
    begun = contestant.began(processes)
    assert begun is not None
    compare(store.settings, entry.changelog, store.rows, group.ends if contestant.positions else None)
    return Result(
        contestant.name,
        store.events,
        round(store.events / (ended - begun)),
        round(store.events / (ended - processes.started)),
        round(processes.cpu_seconds, 2),
        round(processes.peak_mb),
    )


def medians(runs: Sequence[Result]) -> list[Result]:
    """Reduce the runs to one result for each name and number of events, with median figures."""
    by_name: defaultdict[tuple[str, int], list[Result]] = defaultdict(list)
    for run in runs:
        by_name[run.name, run.events].append(run)
    return [_median(same) for same in by_name.values()]


def _median(runs: Sequence[Result]) -> Result:
    def figure(name: str, digits: int | None = None) -> float:
        values: list[float] = [getattr(run, name) for run in runs]
        return round(median(values), digits)

    return Result(
        runs[0].name,
        runs[0].events,
        figure("events_per_second"),
        figure("whole_process_events_per_second"),
        figure("cpu_seconds", 2),
        figure("peak_mb"),
    )


@contextmanager
def broker(folder: Path, durability: str = "disk") -> Iterator[str]:
    """Run the broker of `library up`. It flushes before it acknowledges unless ``durability`` is "os"."""
    kafka = Kafka(Node(home=folder / "kafka", port=free_port(), durability=durability), os.environ)
    try:
        yield kafka.bootstrap
    finally:
        kafka.stop()


@click.command()
@click.option(
    "--events",
    "sizes",
    multiple=True,
    type=int,
    default=[400_000],
    show_default=True,
    help="Events in the store; may be repeated.",
)
@click.option("--titles", default=20_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; each figure is their median.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this contestant; may be repeated.")
@click.option("--variants", is_flag=True, help="Also Kafka Streams with other settings.")
@click.option("--live/--no-live", default=True, show_default=True, help="Measure the live latency too.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "rebuild.json")
def main(
    sizes: tuple[int, ...],
    titles: int,
    seed: int,
    repeats: int,
    only: tuple[str, ...],
    variants: bool,
    live: bool,
    output: Path,
) -> None:
    """Rebuild the table with each contestant in turn, and compare."""
    chosen = [one for one in contestants(variants) if not only or one.name in only]
    with tempfile.TemporaryDirectory(prefix="library-rebuild-") as name, broker(Path(name)) as kafka:
        folder = Path(name)
        runs = []
        for events in sizes:
            store = filled(Settings(kafka=kafka, name=f"benchmark-{events}"), events, titles, seed)
            for number in range(repeats):
                for one in (one for one in chosen if one.commits):
                    runs.append(rebuild(one, store, folder / f"{one.name}-{events}-{number}"))
                    say(str(runs[-1]))
        # Stock Faust takes as long as all others together
        for one in (one for one in chosen if not one.commits):
            store = filled(Settings(kafka=kafka, name="benchmark-stock"), STOCK_EVENTS, titles, seed)
            runs.append(rebuild(one, store, folder / one.name))
            say(str(runs[-1]))
        names = [one.name for one in chosen]
        results = sorted(medians(runs), key=lambda result: (result.events, names.index(result.name)))
        latencies = []
        if live:
            settings = Settings(kafka=kafka, name=f"benchmark-{sizes[0]}")
            more = islice(workload(titles, seed), sizes[0], None)
            latencies = [latency(one, settings, more, folder / f"live-{one.name}") for one in lives()]
    show(results)
    show(latencies)
    save(output, {"results": results, "live": latencies, "repeats": repeats, "runs": runs})


if __name__ == "__main__":
    main()
