"""Stores of several sizes on one broker, each filled once and kept for later runs."""

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec
from confluent_kafka.admin import AdminClient
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.harness.broker import broker
from benchmarks.harness.results import say
from benchmarks.harness.store import fill
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.rules import UNKNOWN, Title, evolve
from schemas.topics import ensure_topics
from tests.support.workload import Step, workload

EVENTS_A_TITLE = 5
"""At the start. Titles are drawn evenly: neither the newest nor in any order."""
SEED = 1
MAX_SAMPLE = 100_000


class Facts(Struct, frozen=True):
    """Counts of a store, a random sample of its titles, and the time in its middle (ms since 1970, UTC).

    ``in_catalogue`` titles outside the sample are in the catalogue file, as they are in the inventory.
    """

    titles: int
    events: int
    sample: list[str]
    in_catalogue: int
    middle_ms: int


class Store(Struct):
    """A filled store. ``folder`` has its data directory, its catalogue, and the output of programs."""

    settings: Settings
    folder: Path
    facts: Facts

    @property
    def titles(self) -> int:
        """The number of titles that names the store's size."""
        return self.facts.titles

    @property
    def data(self) -> Path:
        """The data directory of the gateway and the projector."""
        return Path(self.settings.data_dir)

    @property
    def catalogue(self) -> Path:
        """A CSV file of titles that are in the inventory, with the same details."""
        return self.folder / "catalogue.csv"

    def note_events(self, more: int) -> None:
        """Remember that events were added, also for later runs."""
        self.facts = replace(self.facts, events=self.facts.events + more)
        _facts_file(self.folder).write_bytes(msgspec.json.encode(self.facts))


@contextmanager
def stores(folder: Path, sizes: Sequence[int]) -> Iterator[list[Store]]:
    """Run a broker with a store of each size. Stores that ``folder`` has already are not filled again."""
    with broker(folder, "os") as kafka:
        yield [
            filled(kafka, folder / f"titles-{titles}", titles, titles * EVENTS_A_TITLE) for titles in sizes
        ]


def drawn(titles: int, events: int) -> Iterator[Step]:
    """Events of titles that are drawn evenly."""
    return islice(workload(titles, SEED), events)


def filled(
    kafka: str,
    folder: Path,
    titles: int,
    events: int,
    partitions: int = Settings().partitions,
    steps: Callable[[int, int], Iterator[Step]] = drawn,
) -> Store:
    """The store in ``folder``; it is filled with ``steps(titles, events)`` if it is not there yet."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    settings = Settings(kafka=kafka, name=folder.name, data_dir=str(folder / "data"), partitions=partitions)
    if not _facts_file(folder).exists():
        ensure_topics(AdminClient(client_config(settings)), settings)
        written = fill(settings, steps(titles, events))
        say(f"{titles:,} titles: {written.events:,} events written in {written.seconds:.0f} s")
        _describe(folder, titles, events, steps(titles, events))
    return Store(settings, folder, msgspec.json.decode(_facts_file(folder).read_bytes(), type=Facts))


def _describe(folder: Path, titles: int, events: int, steps: Iterator[Step]) -> None:
    """Fold the same steps again, and write the catalogue and the facts."""
    states: dict[str, Title] = {}
    middle_ms = 0
    for number, step in enumerate(steps):
        states[step.event.isbn] = evolve(states.get(step.event.isbn, UNKNOWN), step.event)
        if number == events // 2:
            middle_ms = step.event.timestamp
    present = [isbn for isbn, title in states.items() if title.present]
    chosen = random.Random(SEED)
    chosen.shuffle(present)
    size = min(MAX_SAMPLE, max(1, len(present) // 2))
    # A title whose copies were all withdrawn has no row that an import accepts
    listed = [isbn for isbn in present[size:] if states[isbn].quantity]
    with (folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["isbn", "title", "author", "quantity"])
        for isbn in listed:
            title = states[isbn]
            rows.writerow([isbn, title.title, title.author, title.quantity])
    facts = Facts(titles, events, present[:size], len(listed), middle_ms)
    _facts_file(folder).write_bytes(msgspec.json.encode(facts))


def _facts_file(folder: Path) -> Path:
    """Written last: it shows that the store is complete."""
    return folder / "facts.json"
