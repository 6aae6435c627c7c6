"""``python -m benchmarks.rebuild`` rebuilds the table with ours, Kafka Streams and stock Faust in turn."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple
from uuid import uuid4

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct, msgpack

from benchmarks.harness.broker import broker
from benchmarks.harness.contestants import STOCK_EVENTS, Contestant, contestants
from benchmarks.harness.processes import Processes
from benchmarks.harness.progress import Group, records
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.store import fill
from benchmarks.harness.waiting import until
from benchmarks.rebuild.expected import Rows, compare, independent_fold
from benchmarks.rebuild.live import latency, lives
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.offsets import end
from schemas.topics import ensure_topics
from tests.support.workload import workload

REBUILD_LIMIT_S = 600.0
EVENTS_PER_TITLE = 5
"""At least: with fewer, a store is little more than its catalogue."""


class Result(Struct, frozen=True):
    """One rebuild. One rate begins at the first event, the other at the start of the processes."""

    name: str
    titles: int
    events: int
    events_per_second: float
    whole_process_events_per_second: float
    cpu_seconds: float
    peak_mb: float


class Size(NamedTuple):
    """The size of a store. Title n is drawn in proportion to n ** -zipf."""

    titles: int
    events: int
    zipf: float = 0.0

    @property
    def name(self) -> str:
        """The name of such a system on Kafka."""
        return f"benchmark-{self.titles}-{self.events}" + (f"-zipf-{self.zipf:g}" if self.zipf else "")


class Store(Struct, frozen=True):
    """An event store and its expected rows."""

    settings: Settings
    size: Size
    rows: Rows


def filled(kafka: str, size: Size, seed: int, folder: Path) -> Store:
    """Create the topics and fill the store, if the broker does not have it, and get the expected rows.

    The expected rows are kept in ``folder``.
    """
    settings = Settings(kafka=kafka, name=size.name)
    file = folder / f"{size.name}.expected"
    if not file.exists():
        admin = AdminClient(client_config(settings))
        ensure_topics(admin, settings)
        if any(end(settings, events_topic(settings)).values()):
            raise click.ClickException(f"{size.name} was filled in part: delete {folder} and start again")
        written = fill(settings, islice(workload(size.titles, seed, size.zipf), size.events))
        say(f"{written.events:,} events over {size.titles:,} titles written in {written.seconds:.1f} s")
        file.write_bytes(msgpack.encode(independent_fold(settings)))
    return Store(settings, size, msgpack.decode(file.read_bytes(), type=Rows))


def rebuild(contestant: Contestant, store: Store, folder: Path) -> Result:
    """Rebuild the table once and check it. Raises TableDiffers, ProcessEnded, TimeoutError."""
    entry = contestant.enter(store.settings, folder)
    group = Group(store.settings, entry.group)
    with Processes(entry.commands, entry.environment, folder / "output") as processes:

        def is_through() -> bool:
            if contestant.commits:
                return group.lag() == 0
            return records(store.settings, entry.changelog) >= store.size.events

        ended = until(
            is_through, REBUILD_LIMIT_S, f"{contestant.name} to catch up", meanwhile=processes.check
        )
        until(lambda: contestant.began(processes) is not None, 10, f"{contestant.name} to report its start")
    begun = contestant.began(processes)
    assert begun is not None
    compare(store.settings, entry.changelog, store.rows, group.ends if contestant.positions else None)
    return Result(
        contestant.name,
        store.size.titles,
        store.size.events,
        round(store.size.events / (ended - begun)),
        round(store.size.events / (ended - processes.started)),
        round(processes.cpu_seconds, 2),
        round(processes.peak_mb),
    )


def rebuilds(
    kafka: str, folder: Path, sizes: Sequence[Size], chosen: Sequence[Contestant], seed: int, repeats: int
) -> list[Result]:
    """Rebuild stores of all sizes with each contestant in turn, ``repeats`` times; stock Faust once."""
    runs = []
    for size in sizes:
        store = filled(kafka, size, seed, folder)
        for number in range(repeats):
            for one in (one for one in chosen if one.commits):
                runs.append(rebuild(one, store, folder / f"{one.name}-{size.name}-{number}-{uuid4().hex}"))
                say(str(runs[-1]))
    # Stock Faust takes as long as all others together
    for one in (one for one in chosen if not one.commits):
        store = filled(kafka, Size(sizes[0].titles, STOCK_EVENTS), seed, folder)
        runs.append(rebuild(one, store, folder / f"{one.name}-{uuid4().hex}"))
        say(str(runs[-1]))
    return runs


def medians(runs: Sequence[Result]) -> list[Result]:
    """Reduce the runs to one result for each name and size, with median figures."""
    by_name: defaultdict[tuple[str, int, int], list[Result]] = defaultdict(list)
    for run in runs:
        by_name[run.name, run.titles, run.events].append(run)
    results = [_median(same) for same in by_name.values()]
    return sorted(results, key=lambda result: (result.titles, result.events))


def _median(runs: Sequence[Result]) -> Result:
    def figure(name: str, digits: int | None = None) -> float:
        values: list[float] = [getattr(run, name) for run in runs]
        return round(median(values), digits)

    return Result(
        runs[0].name,
        runs[0].titles,
        runs[0].events,
        figure("events_per_second"),
        figure("whole_process_events_per_second"),
        figure("cpu_seconds", 2),
        figure("peak_mb"),
    )


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="library-rebuild-") as name:
            yield Path(name)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept


@click.command()
@click.option(
    "--events", default=1_000_000, show_default=True, help="Events of a store, at least five per title."
)
@click.option(
    "--titles", default=(20_000, 200_000, 1_000_000), multiple=True, show_default=True,
    help="Titles of a store; may be repeated.",
)  # fmt: skip
@click.option("--zipf", default=0.0, show_default=True, help="Draw title n in proportion to n ** -ZIPF.")
@click.option("--seed", default=1, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; each figure is their median.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this contestant; may be repeated.")
@click.option("--variants", is_flag=True, help="Also Kafka Streams with other settings.")
@click.option("--live/--no-live", default=True, show_default=True, help="Measure the live latency too.")
@click.option(
    "--keep", type=click.Path(path_type=Path),
    help="Folder for the broker and the filled stores, which the next run uses again.",
)  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "rebuild.json")
def main(
    events: int,
    titles: tuple[int, ...],
    zipf: float,
    seed: int,
    repeats: int,
    only: tuple[str, ...],
    variants: bool,
    live: bool,
    keep: Path | None,
    output: Path,
) -> None:
    """Rebuild the table with each contestant in turn, and compare."""
    chosen = [one for one in contestants(variants) if not only or one.name in only]
    sizes = [Size(number, max(events, EVENTS_PER_TITLE * number), zipf) for number in titles]
    with _folder(keep) as folder, broker(folder) as kafka:
        runs = rebuilds(kafka, folder, sizes, chosen, seed, repeats)
        latencies = []
        if live:
            settings = Settings(kafka=kafka, name=sizes[0].name)
            more = islice(workload(sizes[0].titles, seed, zipf), sizes[0].events, None)
            latencies = [latency(one, settings, more, folder / f"live-{one.name}") for one in lives()]
    results = medians(runs)
    show(results)
    show(latencies)
    save(output, {"results": results, "live": latencies, "zipf": zipf, "repeats": repeats, "runs": runs})


if __name__ == "__main__":
    main()
