"""``python -m benchmarks.consumer_groups`` reads events into SQLite and by the notary, beside bare loops."""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from statistics import median
from threading import Event as Stop
from typing import NamedTuple, TypeAlias
from uuid import uuid4

import click
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.append.peers import postgresql_server
from benchmarks.event_rows import EventRows
from benchmarks.harness.broker import broker
from benchmarks.harness.calibration import calibrate
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.store import fill
from eventstore.reader import Batch
from eventstore.topics import events_topic
from evidence.note import Signer, new_key
from examples.loans_per_day.counts import LoansPerDay
from examples.overdue_notices.loans import Loans
from foundation.kafka_clients import client_config, reading_config
from foundation.memory import calm_collector
from foundation.settings import Settings
from library.store.offsets import end
from notary.follower import Follower
from schemas.events import Event
from schemas.reader import open_reader
from schemas.topics import ensure_topics
from tests.support.workload import workload

TITLES = 20_000
FETCH_RECORDS = 100
"""With which the bare loop is fastest, as the memory of a message is used again at once: 2,000 take 1.3 times
as long."""
POLL_S = 0.2
READERS = 2
LIMIT_S = 120.0
"""For which their shares are waited for."""

Store: TypeAlias = Callable[[Batch[Event]], object]
Offsets: TypeAlias = Callable[[], dict[int, int]]


class Reading(Struct, frozen=True):
    """A group that reads all events, from its assignment to its last one.

    ``of_bare`` is its rate divided by that of the bare loop.
    """

    name: str
    events: int
    seconds: float
    events_per_second: float
    cpu_us_per_event: float
    of_bare: float


class Share(NamedTuple):
    """What one process read, from ``begun`` to ``ended``, in seconds of the system's clock."""

    events: int
    begun: float
    ended: float
    cpu_s: float


class Clock:
    """Starts when partitions are assigned; joining a group takes the same time for all."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def start(self) -> None:
        if self._begun is None:
            self._begun, self._cpu = time.perf_counter(), time.process_time()

    def share(self, events: int) -> Share:
        assert self._begun is not None, "no partition was assigned"
        return Share(events, self._begun, time.perf_counter(), time.process_time() - self._cpu)

    def reading(self, name: str, events: int) -> Reading:
        return _reading(name, [self.share(events)])


def _reading(name: str, shares: Sequence[Share]) -> Reading:
    """What processes that read at the same time have read together."""
    events = sum(share.events for share in shares)
    seconds = max(share.ended for share in shares) - min(share.begun for share in shares)
    cpu_us = sum(share.cpu_s for share in shares) / events * 1e6
    return Reading(name, events, round(seconds, 2), round(events / seconds), round(cpu_us, 2), 0.0)


@contextmanager
def subscribed(settings: Settings, clock: Clock) -> Iterator[Consumer]:
    """A consumer in a new group. It starts ``clock``."""

    def assign(consumer: Consumer, places: list[TopicPartition]) -> None:
        clock.start()
        consumer.incremental_assign(places)

    config = {"group.id": uuid4().hex, "group.protocol": "consumer", "auto.offset.reset": "earliest"}
    consumer = Consumer(reading_config(settings) | config)
    try:
        consumer.subscribe([events_topic(settings)], on_assign=assign)
        yield consumer
    finally:
        consumer.close()


def bare(settings: Settings, _: Path) -> Reading:
    """Fetch every record with ``consume(n)``, and look at its error only."""
    clock, events = Clock(), 0
    ended: set[int | None] = set()
    with subscribed(settings, clock) as consumer:
        while len(ended) < settings.partitions:
            for message in consumer.consume(FETCH_RECORDS, POLL_S):
                error = message.error()
                if error is None:
                    events += 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
        return clock.reading("bare consume loop", events)


def polled(settings: Settings, _: Path) -> Reading:
    """Fetch every record with ``poll()``, as most programs do, and look at its error only."""
    clock, events = Clock(), 0
    ended: set[int | None] = set()
    with subscribed(settings, clock) as consumer:
        while len(ended) < settings.partitions:
            message = consumer.poll(POLL_S)
            if message is None:
                continue
            error = message.error()
            if error is None:
                events += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
        return clock.reading("bare poll loop", events)


def one_row_an_event(settings: Settings, folder: Path) -> Reading:
    """Each event as a row in an SQLite file."""
    with closing(EventRows(folder / f"{uuid4().hex}.db")) as rows:
        reading = _read("batches, a row an event in SQLite", settings, rows.store, rows.offsets)
        assert rows.count() == reading.events
        return reading


def two_readers(settings: Settings, folder: Path) -> Reading:
    """The same by two readers of one group, each in a process, into one file."""
    file, group = folder / f"{uuid4().hex}.db", uuid4().hex
    context = get_context("spawn")
    shares: Queue[Share] = context.Queue()
    given = settings, group, file, context.Value("i", 0), shares
    with closing(EventRows(file)) as rows:
        readers = [context.Process(target=_share, args=(n, *given), daemon=True) for n in range(READERS)]
        for reader in readers:
            reader.start()
        found: list[Share] = [shares.get(timeout=LIMIT_S) for _ in readers]
        for reader in readers:
            reader.join(LIMIT_S)
        reading = _reading("two readers, a row an event in SQLite", found)
        assert rows.count() == reading.events
        return reading


def _share(
    number: int,
    settings: Settings,
    group: str,
    file: Path,
    ended: "Synchronized[int]",
    shares: "Queue[Share]",
) -> None:
    """Be the reader with this number, set its bit in ``ended``, and say what it stored."""

    def all_ended() -> bool:
        with ended.get_lock():
            ended.value |= 1 << number
            return bool(ended.value == (1 << READERS) - 1)

    calm_collector()
    with closing(EventRows(file)) as rows:
        shares.put(_consume(settings, group, rows.store, rows.offsets, all_ended))


def open_loans(settings: Settings, folder: Path) -> Reading:
    """The view of ``examples.overdue_notices``: one row a title and one a loan, in SQLite."""
    with closing(Loans(folder / f"{uuid4().hex}.db")) as loans:
        return _read("batches, open loans in SQLite", settings, loans.apply_batch)


def loans_in_postgresql(settings: Settings, _: Path) -> Reading | None:
    """The view of ``examples.loans_per_day`` in PostgreSQL; None if it is not installed."""
    with postgresql_server("disk") as port:
        if port is None:
            return None
        with closing(LoansPerDay(f"postgresql://postgres@127.0.0.1:{port}/postgres")) as counts:
            return _read("batches, loans a day in PostgreSQL", settings, counts.apply)


def notary(settings: Settings, folder: Path) -> Reading:
    """Leaves, checks, and signed checkpoints of all events, as ``library notary --once``."""
    own = folder / uuid4().hex
    own.mkdir()
    clock = Clock()

    class Timed(Follower):
        def _begins(self) -> dict[int, int]:
            clock.start()
            return super()._begins()

    follower = Timed(settings, own, [Signer(new_key("benchmark"))], None)
    try:
        with _calm_collector():
            follower.run(Stop(), once=True)
        assert not follower.refused
        return clock.reading("notary", sum(one.signed for one in follower.standings.values()))
    finally:
        follower.close()


CONTESTANTS: tuple[Callable[[Settings, Path], Reading | None], ...] = (
    bare,
    polled,
    one_row_an_event,
    two_readers,
    open_loans,
    loans_in_postgresql,
    notary,
)


def _read(name: str, settings: Settings, store: Store, offsets: Offsets = dict) -> Reading:
    with _calm_collector():
        return _reading(name, [_consume(settings, uuid4().hex, store, offsets)])


def _consume(
    settings: Settings,
    group: str,
    store: Store,
    offsets: Offsets,
    all_ended: Callable[[], bool] = lambda: True,
) -> Share:
    """Store all events in batches, from ``offsets`` on.

    Until ``all_ended`` it stays in the group: it gives partitions to readers that join late, and gets none of
    those that have ended.
    """
    clock, events, share = Clock(), 0, None

    def assigned() -> dict[int, int]:
        clock.start()
        return offsets()

    with open_reader(group, settings=settings, stored=assigned) as reader:
        while share is None or not all_ended():
            before = events
            for batch in reader.batches():
                store(batch)
                events += len(batch)
            if share is None or events > before:
                share = clock.share(events)
    return share


@contextmanager
def _calm_collector() -> Iterator[None]:
    """As in a process that calls ``calm_collector`` when it starts."""
    thresholds = gc.get_threshold()
    calm_collector()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


@contextmanager
def filled(folder: Path, events: int) -> Iterator[Settings]:
    """Run a broker with a store of ``events`` events; one that ``folder`` has is not filled again."""
    with broker(folder) as kafka:
        settings = Settings(kafka=kafka, name=f"groups-{events}")
        admin = AdminClient(client_config(settings))
        ensure_topics(admin, settings)
        if not any(end(settings, events_topic(settings)).values()):
            written = fill(settings, islice(workload(TITLES, 1), events))
            say(f"{written.events:,} events written in {written.seconds:.0f} s")
        yield settings


def medians(rounds: list[list[Reading]]) -> list[Reading]:
    """One reading for each contestant; ``of_bare`` is the median of the ratios within a round."""
    found = []
    for same in zip(*rounds, strict=True):
        ratios = [one.events_per_second / first.events_per_second
                  for one, (first, *_) in zip(same, rounds, strict=True)]  # fmt: skip
        middle = sorted(same, key=lambda one: one.events_per_second)[len(same) // 2]
        found.append(
            Reading(
                middle.name,
                middle.events,
                middle.seconds,
                middle.events_per_second,
                middle.cpu_us_per_event,
                round(median(ratios), 2),
            )
        )
    return found


@click.command()
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; each figure is their median.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the filled store in this folder."
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "consumer_groups.json")
def main(events: int, repeats: int, keep: Path | None, output: Path) -> None:
    """Read all events in turn with each contestant, in new consumer groups."""
    with tempfile.TemporaryDirectory(prefix="library-groups-") as name:
        folder = keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with filled(folder, events) as settings:
            calibration = calibrate(settings.kafka, folder)
            rounds = []
            for _ in range(repeats):
                found = [one(settings, Path(name)) for one in CONTESTANTS]
                rounds.append([reading for reading in found if reading is not None])
                for reading in rounds[-1]:
                    say(str(reading))
    results = medians(rounds)
    show(results)
    save(output, {"results": results, "calibration": calibration, "runs": rounds})


if __name__ == "__main__":
    main()
