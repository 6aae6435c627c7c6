"""Measures the time from a command's acknowledgement until a read shows it, over HTTP."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from benchmarks.harness.servers import Server
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from tests.support.workload import workload

RATE = 50  # commands per second
COMMANDS = 1_500
WARM_UP_COMMANDS = 250
WRITES = 10_000
CLIENTS = 40


class Fresh(Struct, frozen=True):
    """Time from the acknowledgement to the response; ``stale`` counts responses without the write."""

    name: str
    writes: int
    writes_per_second: float
    p50_ms: float
    p99_ms: float
    stale: int


class Client:
    """Sends a command and reads its result."""

    def __init__(self, write: Server, read: Server) -> None:
        self._write, self._read = (
            http.client.HTTPConnection(server.url.removeprefix("http://")) for server in (write, read)
        )

    def once(self, command: Command, version: int) -> tuple[float, bool]:
        """Return seconds from the acknowledgement to the response, and whether it was stale."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
        receipt = self._asked(self._write, "POST", "/commands", msgspec.json.encode(command), headers)
        acknowledged = time.perf_counter()
        path = f"/inventory/{command.isbn}?after={receipt['position']}&timeout=30"
        row = self._asked(self._read, "GET", path)
        return time.perf_counter() - acknowledged, row["version"] < version

    @staticmethod
    def _asked(connection: http.client.HTTPConnection, method: str, path: str, *more: Any) -> Any:
        connection.request(method, path, *more)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 201), (path, answer.status, body)
        return json.loads(body)


def at_a_steady_rate(write: Server, server: Server) -> Fresh:
    """Send RATE commands per second in sequence, after a warm-up."""
    client = Client(write, server)
    found = []
    begun = time.perf_counter()
    for number, (command, version) in enumerate(borrow_and_return(1, WARM_UP_COMMANDS + COMMANDS)):
        time.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        found.append(client.once(command, version))
    return _fresh(f"{RATE}/s, one client", found[WARM_UP_COMMANDS:], COMMANDS / RATE)


def under_load(write: Server, server: Server) -> Fresh:
    """Run CLIENTS clients at once, each as fast as it gets responses."""
    found: list[tuple[float, bool]] = []

    def use(number: int) -> None:
        client = Client(write, server)
        for command, version in borrow_and_return(1_000 + number, WRITES // CLIENTS):
            found.append(client.once(command, version))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(CLIENTS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == WRITES // CLIENTS * CLIENTS, "a client ended early"
    return _fresh(f"{CLIENTS} clients", found, time.perf_counter() - begun)


def _fresh(name: str, found: list[tuple[float, bool]], seconds: float) -> Fresh:
    percentiles = quantiles([1000 * waited for waited, _ in found], n=100)
    return Fresh(
        name,
        len(found),
        round(len(found) / seconds),
        round(percentiles[49], 1),
        round(percentiles[98], 1),
        sum(stale for _, stale in found),
    )


def borrow_and_return(seed: int, count: int) -> Iterator[tuple[Command, int]]:
    """Yield commands for one new title with the versions they make: add, then borrow and return in turn."""
    isbn = next(workload(1, seed + 7_000_000)).event.isbn
    yield AddBook(isbn, "The Benchmark", "A Writer", 1), 1
    for version in range(2, count + 1):
        yield (ReturnBook(isbn, "ann") if version % 2 else BorrowBook(isbn, "ann")), version
