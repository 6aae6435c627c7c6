"""Measures the time from a command's commit to its row in the changelog, and the worker's memory."""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import quantiles
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct

from benchmarks.harness.contestants import EXACTLY_ONCE, Entry, kafka_streams, ours
from benchmarks.harness.processes import Processes
from benchmarks.harness.progress import Group
from benchmarks.harness.store import Appender, record
from benchmarks.harness.waiting import until
from eventstore.partitions import partition_of
from foundation.kafka_clients import reading_config
from foundation.settings import Settings
from schemas.codec import decode
from schemas.row import InventoryRow
from tests.support.workload import Step

RATE = 50  # commands per second
COMMANDS = 1_500
WARM_UP_COMMANDS = 250


class Latency(Struct, frozen=True):
    """Time from a command's commit until a reader of the changelog has its row."""

    name: str
    commands_per_second: int
    p50_ms: float
    p99_ms: float
    memory_mb: float


class Committed(NamedTuple):
    """A command's event, and when (``time.perf_counter()``) Kafka acknowledged its commit."""

    isbn: str
    version: int
    at: float


class Watcher:
    """Records when versions of titles arrive in a changelog, while the context is open."""

    def __init__(self, settings: Settings, changelog: str) -> None:
        self._consumer = Consumer(reading_config(settings) | {"group.id": f"{settings.name}-unused"})
        tps = [TopicPartition(changelog, partition) for partition in range(settings.partitions)]
        for tp in tps:
            _, tp.offset = self._consumer.get_watermark_offsets(tp, 10)
        self._consumer.assign(tps)
        self._arrived: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._consumer.close()

    def arrival(self, command: Committed) -> float:
        """Return when the row with the command's version or a later one arrived; infinite if it has not."""
        rows = self._arrived[command.isbn]
        return next((at for version, at in rows if version >= command.version), math.inf)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            message = self._consumer.poll(0.1)
            at = time.perf_counter()
            if message is None or message.error():
                continue
            row = decode(message.value())
            if isinstance(row, InventoryRow):
                self._arrived[row.isbn].append((row.version, at))


class Live(Struct, frozen=True):
    """A program whose latency is measured."""

    name: str
    enter: Callable[[Settings, Path], Entry]


def lives() -> list[Live]:
    """Return ours, and Kafka Streams with its defaults and tuned for latency."""
    return [
        Live("ours-1-worker", lambda s, folder: ours(s, folder, 1)),
        Live("kafka-streams", kafka_streams),
        Live("kafka-streams-linger-0", lambda s, folder: kafka_streams(s, folder, "--linger-ms", "0")),
        # Its default, and a tenth of it
        *(_exactly_once(interval_ms) for interval_ms in (100, 10)),
    ]


def _exactly_once(commit_interval_ms: int) -> Live:
    options = (*EXACTLY_ONCE, "--commit-interval-ms", str(commit_interval_ms))
    name = f"kafka-streams-exactly-once-{commit_interval_ms}-ms"
    return Live(name, lambda s, folder: kafka_streams(s, folder, *options))


def latency(live: Live, settings: Settings, events: Iterator[Step], folder: Path) -> Latency:
    """Build the table, restart, and append ``events`` at a steady rate, one per transaction."""
    entry = live.enter(settings, folder)
    with _caught_up(live.name, settings, entry, folder / "rebuild"):
        pass
    appenders = [Appender(settings, partition, linger_ms=0) for partition in range(settings.partitions)]
    with _caught_up(live.name, settings, entry, folder / "live") as processes:
        with Watcher(settings, entry.changelog) as watcher:
            # A process that has just started may still wait for its partitions
            _all_arrive(live, watcher, processes, _append(appenders, settings, events, WARM_UP_COMMANDS))
            committed = _append(appenders, settings, events, COMMANDS)
            _all_arrive(live, watcher, processes, committed)
        memory = processes.memory_mb()
    waits = [1000 * (watcher.arrival(command) - command.at) for command in committed]
    percentiles = quantiles(waits, n=100)
    return Latency(live.name, RATE, round(percentiles[49], 1), round(percentiles[98], 1), round(memory))


@contextmanager
def _caught_up(name: str, settings: Settings, entry: Entry, folder: Path) -> Iterator[Processes]:
    """Yield the processes when they have read the event store to its end."""
    group = Group(settings, entry.group)
    with Processes(entry.commands, entry.environment, folder) as processes:
        until(lambda: group.lag() == 0, 600, f"{name} to catch up", meanwhile=processes.check)
        yield processes


def _append(
    appenders: list[Appender], settings: Settings, events: Iterator[Step], count: int
) -> list[Committed]:
    """Append ``count`` events at RATE, one per transaction."""
    begun, committed = time.perf_counter(), []
    for number, happened in enumerate(islice(events, count)):
        isbn = happened.event.isbn
        appender = appenders[partition_of(isbn, settings.partitions)]
        time.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        appender.add(record(happened, number))
        appender.commit()
        committed.append(Committed(isbn, happened.version, time.perf_counter()))
    return committed


def _all_arrive(live: Live, watcher: Watcher, processes: Processes, commands: list[Committed]) -> None:
    until(
        # Check the last one first: it arrives last
        lambda: all(watcher.arrival(command) < math.inf for command in reversed(commands)),
        120,
        f"{live.name} to write every row",
        meanwhile=processes.check,
    )
