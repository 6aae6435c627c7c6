"""``make bench-fold`` measures how many events one process folds into rows, without Kafka and RocksDB.

It folds one of a store's partitions, in CPU time: other programs on the machine change the result little.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeAlias

import click
from msgspec import Struct

from benchmarks.harness.results import RESULTS, save, say, show
from eventstore.keys import event_key
from inventory.projection import project
from projector.agent import WRITE_MAX_BYTES
from projector.batched_faust.batch import Record
from projector.fold.batch_fold import PartitionFold
from schemas.codec import decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow
from tests.support.projector.next_release import appended_fields
from tests.support.workload import workload

PARTITIONS = 8
"""Of a store. One is measured; the others would be alike."""
EVENTS_PER_TITLE = 5
"""At least: with fewer, a store is little more than its catalogue."""
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
    """A way to fold, and its rate in events per second of CPU time: the median of all rounds.

    ``titles`` and ``events`` are those of the whole store.
    """

    fold: str
    titles: int
    events: int
    events_per_second: int
    microseconds_per_event: float


def fast(records: Sequence[Record]) -> Rows:
    """Fold the records of a partition with the projector's fold, as in a rebuild. The rows by key."""
    stored: dict[bytes, bytes] = {}
    fold = PartitionFold(stored.get)
    for batch in _batches(records):
        assert fold.add(batch) is None
        if fold.unwritten > WRITE_MAX_BYTES:
            fold.measure()
            if fold.unwritten > WRITE_MAX_BYTES * 3 // 4:
                stored.update(fold.take())
    stored.update(fold.take())
    return stored


def forgetful(records: Sequence[Record]) -> Rows:
    """Fold the same, but read each batch's rows from the store, as with far more titles than memory."""
    stored: dict[bytes, bytes] = {}
    for batch in _batches(records):
        fold = PartitionFold(stored.get)
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
    "fast path, nothing in memory": (nullcontext, forgetful),
    "slow path": (nullcontext, slow),
}


def measure(titles: int, events: int, seed: int, repeats: int, zipf: float = 0.0) -> list[Result]:
    """Measure every way to fold in turn, ``repeats`` times. The ways to fold must agree on the rows."""
    events = max(events, EVENTS_PER_TITLE * titles)
    steps = islice(workload(titles // PARTITIONS, seed, zipf), events // PARTITIONS)
    records: list[Record] = [
        (offset, event_key(event.isbn, version), encode(event))
        for offset, (_, version, event) in enumerate(steps)
    ]
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(repeats):
        rows = {}
        for name, (schema, fold) in CONTESTANTS.items():
            with schema():
                # Compared with the slow path at its first use, which takes a moment
                fold(records[:1])
                begun = time.process_time()
                rows[name] = fold(records)
                seconds[name].append(time.process_time() - begun)
        if not rows["fast path"] == rows["fast path, nothing in memory"] == rows["slow path"]:
            raise click.ClickException("the fast path and the slow path differ")
    return [_result(name, titles, events, len(records), median(seconds[name])) for name in CONTESTANTS]


def _result(name: str, titles: int, events: int, folded: int, seconds: float) -> Result:
    return Result(name, titles, events, round(folded / seconds), round(1e6 * seconds / folded, 2))


@click.command()
@click.option(
    "--titles", default=(20_000, 200_000, 1_000_000), multiple=True, show_default=True,
    help="Titles of the store, an eighth of them in the measured partition; may be repeated.",
)  # fmt: skip
@click.option(
    "--events", default=1_000_000, show_default=True, help="Events of the store, at least five per title."
)
@click.option("--zipf", default=0.0, show_default=True, help="Draw title n in proportion to n ** -ZIPF.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same events.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; every figure is their median.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "fold.json")
def main(titles: tuple[int, ...], events: int, zipf: float, seed: int, repeats: int, output: Path) -> None:
    """Fold one partition of a generated store in this process, by the fast path and by the slow one."""
    results = []
    for number in titles:
        say(f"one of {PARTITIONS} partitions of a store with {number:,} titles")
        results += measure(number, events, seed, repeats, zipf)
    show(results)
    save(output, {"results": results, "zipf": zipf})


if __name__ == "__main__":
    main()
