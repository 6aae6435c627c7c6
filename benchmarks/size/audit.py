"""The audit beside a projector: its start, an idle system, a row that was changed, and round after round."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from confluent_kafka import Producer
from msgspec.structs import replace

from benchmarks.harness.processes import Processes, python
from benchmarks.harness.servers import Server
from benchmarks.harness.waiting import until
from benchmarks.size.programs import LIMIT_S, Figure, options, projector, run
from benchmarks.size.store import Store
from eventstore.partition_reader import read_partition
from eventstore.partitions import partition_of
from foundation.kafka_clients import client_config
from library.process.ports import HOST, free_port
from library.store.offsets import end
from schemas.codec import decode, encode
from schemas.row import InventoryRow
from schemas.topics import changelog_topic

IDLE_S = 20.0
ROUNDS_PERIOD_S = 1.0
"""A partition is compared again after half of it: rounds follow each other with hardly a pause."""
ROUNDS = 2
CHANGED_ROWS = 5


def audit(store: Store) -> Iterator[Figure]:
    """Compare every row once by a command, then by the process that goes on."""
    with projector(store):
        done = run("library", "audit", "--once", "--json", *options(store))
        summary = done.json()
        assert summary["differences"] == 0, done.printed
        yield from done.figures("audit --once", store, "event", store.facts.events)
        yield from _beside(store, summary["rows"])
        yield from _rounds(store, summary["rows"])


def _beside(store: Store, rows: int) -> Iterator[Figure]:
    with _running(store) as server:
        _until_compared(server, rows)
        used = server.processes.cpu_seconds_until_now()
        yield Figure("audit, start", "CPU µs/event", store.titles, round(used / store.facts.events * 1e6, 1))
        time.sleep(IDLE_S)
        used = server.processes.cpu_seconds_until_now() - used
        yield Figure("audit, idle", "% of a core", store.titles, round(100 * used / IDLE_S, 2))
        yield Figure("audit, a changed row", "s", store.titles, round(median(_changed(store, server)), 2))
        yield Figure("audit, start", "MB", store.titles, round(server.processes.peak_mb))


def _rounds(store: Store, rows: int) -> Iterator[Figure]:
    with _running(store, LIBRARY_AUDIT_PERIOD=str(ROUNDS_PERIOD_S)) as server:
        _until_compared(server, 2 * rows)
        compared, used = _report(server)["rows_compared"], server.processes.cpu_seconds_until_now()
        _until_compared(server, compared + ROUNDS * rows)
        used = server.processes.cpu_seconds_until_now() - used
        rounds = (_report(server)["rows_compared"] - compared) / rows
        yield Figure("audit, a round", "CPU s", store.titles, round(used / rounds, 2))
        yield Figure("audit, a round", "CPU µs/row", store.titles, round(used / rounds / rows * 1e6, 1))
        yield Figure("audit, a round", "MB", store.titles, round(server.processes.peak_mb))


@contextmanager
def _running(store: Store, **environment: str) -> Iterator[Server]:
    port, folder = free_port(), store.folder / "audit"
    shutil.rmtree(folder, ignore_errors=True)
    environment["LIBRARY_AUDIT_PORT"] = str(port)
    with Processes([python("audit", *options(store))], environment, folder) as processes:
        server = Server(f"http://{HOST}:{port}", processes)
        until(lambda: _is_ready(server), LIMIT_S, "the audit to be ready", 0.1, processes.check)
        yield server


def _is_ready(server: Server) -> bool:
    try:
        return server.has("/readyz")
    except OSError:
        return False


def _report(server: Server) -> dict[str, Any]:
    report: dict[str, Any] = server.get("/readyz")[0]
    assert not report["trouble"], report["trouble"]
    return report


def _until_compared(server: Server, rows: int) -> None:
    until(
        lambda: _report(server)["rows_compared"] >= rows,
        LIMIT_S,
        "the rows to be compared",
        0.05,
        server.processes.check,
    )
    assert _report(server)["differences"] == 0


def _until_reported(server: Server, differences: int) -> None:
    until(lambda: bool(_report(server)["differences"] == differences), 60, "the audit to report the row")


def _changed(store: Store, server: Server) -> list[float]:
    """The seconds until the audit reports a row that was changed in the changelog, several times."""
    isbns = store.facts.sample[:CHANGED_ROWS]
    rows, topic = _rows(store, set(isbns)), changelog_topic(store.settings)
    producer, found = Producer(client_config(store.settings) | {"linger.ms": 0}), []
    for isbn in isbns:
        row, partition = rows[isbn], partition_of(isbn, store.settings.partitions)
        for written, differences in ((replace(row, quantity=row.quantity + 1), 1), (row, 0)):
            producer.produce(topic, encode(written), isbn.encode(), partition)
            producer.flush(10)
            begun = time.perf_counter()
            _until_reported(server, differences)
            if differences:
                found.append(time.perf_counter() - begun)
    return found


def _rows(store: Store, isbns: set[str]) -> dict[str, InventoryRow]:
    """These rows as the changelog has them."""
    settings, topic = store.settings, changelog_topic(store.settings)
    ends, found = end(settings, topic), dict[str, InventoryRow]()
    for partition in {partition_of(isbn, settings.partitions) for isbn in isbns}:
        for message in read_partition(settings, topic, partition, end=ends[partition]):
            isbn = (message.key() or b"").decode(errors="replace")
            if isbn in isbns and isinstance(row := decode(message.value() or b""), InventoryRow):
                found[isbn] = row
    return found
