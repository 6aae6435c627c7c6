"""``make bench-fold`` measures how many events one process folds into rows, without Kafka and RocksDB.

It measures CPU time: other programs on the machine change the result little.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeAlias

import click
from msgspec import Struct

from benchmarks.results import save, say, show
from eventstore.keys import event_key
from eventstore.partitions import partition_of
from inventory.projection import project
from projector.batched_faust.batch import Record
from projector.fold.batch_fold import PartitionFold
from schemas.codec import decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow
from tests.support.projector.next_release import appended_fields
from tests.support.workload import workload

RESULTS = Path(__file__).parent / "results" / "fold.json"
PARTITIONS = 8
BATCH_EVENTS = 20_000
"""As the projector's (``projector.app.BATCH_MAX_EVENTS``)."""


Rows: TypeAlias = dict[bytes, bytes]


class WiderRow(InventoryRow, frozen=True):
    """A row with two more fields."""

    shelf: int = 0
    weight: int = 0


# A codec finds a struct by its name
WiderRow.__name__ = "InventoryRow"


class Result(Struct):
    """A way to fold, and its rate in events per second of CPU time: the median of all rounds."""

    fold: str
    titles: int
    events: int
    events_per_second: int


def fast(records: Sequence[Record]) -> Rows:
    """Fold the records of a partition with the projector's fold. The rows by key."""
    stored: dict[bytes, bytes] = {}
    fold = PartitionFold(stored.get)
    for batch in _batches(records):
        assert fold.add(batch) is None
        stored.update(fold.take())
    return stored


def slow(records: Sequence[Record]) -> Rows:
    """Fold the same one by one; a row is decoded and encoded once for each batch."""
    stored: dict[bytes, bytes] = {}
    for batch in _batches(records):
        rows: dict[bytes, InventoryRow] = {}
        for offset, key, value in batch:
            isbn, version = parse_title_key(key)
            name = isbn.encode()
            row = rows.get(name)
            if row is None and name in stored:
                row = decode(stored[name])
            rows[name] = project(row, isbn, version, offset, value)
        stored.update((name, encode(row)) for name, row in rows.items())
    return stored


def _batches(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    return (records[start : start + BATCH_EVENTS] for start in range(0, len(records), BATCH_EVENTS))


def _wider() -> AbstractContextManager[None]:
    return appended_fields({"shelf": 0, "weight": 0}, WiderRow)


CONTESTANTS = {
    "fast path": (nullcontext, fast),
    "fast path, two more fields": (_wider, fast),
    "slow path": (nullcontext, slow),
}


def _fold_all(fold: Callable[[Sequence[Record]], Rows], partitions: Sequence[Sequence[Record]]) -> Rows:
    return {key: row for records in partitions for key, row in fold(records).items()}


def measure(titles: int, events: int, seed: int, repeats: int) -> list[Result]:
    """Measure every way to fold in turn, ``repeats`` times. The ways to fold must agree on the rows."""
    partitions: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for _, version, event in islice(workload(titles, seed), events):
        records = partitions[partition_of(event.isbn, PARTITIONS)]
        records.append((len(records), event_key(event.isbn, version), encode(event)))
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(repeats):
        rows = {}
        for name, (schema, fold) in CONTESTANTS.items():
            with schema():
                # Compared with the slow path at its first use, which takes a moment
                fold(partitions[0][:1])
                begun = time.process_time()
                rows[name] = _fold_all(fold, partitions)
                seconds[name].append(time.process_time() - begun)
        if rows["fast path"] != rows["slow path"]:
            raise click.ClickException("the fast path and the slow path differ")
    return [Result(name, titles, events, round(events / median(seconds[name]))) for name in CONTESTANTS]


@click.command()
@click.option("--titles", default=(20_000, 200_000), multiple=True, show_default=True)
@click.option("--events", default=200_000, show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same events.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; every figure is their median.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(titles: tuple[int, ...], events: int, seed: int, repeats: int, output: Path) -> None:
    """Fold a generated workload in this process, by the fast path and by the slow one."""
    results = []
    for number in titles:
        say(f"{events:,} events over {number:,} titles")
        results += measure(number, events, seed, repeats)
    show(results)
    save(output, {"results": results})


if __name__ == "__main__":
    main()
