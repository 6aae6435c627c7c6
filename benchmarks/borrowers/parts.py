"""What is measured on each store."""

import http.client
import random
import time
from collections.abc import Callable, Iterator
from statistics import median
from urllib.parse import urlsplit

from msgspec import Struct

from benchmarks.borrowers.store import LIMIT_S, LOANS_A_TITLE, TITLES, Store
from benchmarks.harness.servers import gateway, projecting, query_api
from benchmarks.size.programs import run
from inventory.isbn import in_house

COMMANDS = 3
"""Programs that are run for a median."""
REQUESTS = 400


class Figure(Struct, frozen=True):
    """One measured value of a part."""

    part: str
    unit: str
    borrowers: int
    value: float


def gateways(store: Store) -> Iterator[Figure]:
    """The start of a gateway until it is ready, its memory, and commands through it."""
    begun = time.perf_counter()
    with gateway(store.settings, store.folder, LIMIT_S) as server:
        seconds, memory_mb = time.perf_counter() - begun, server.processes.memory_mb()
        yield _figure(store, "gateway, start", "s", seconds)
        yield _figure(store, "gateway, start", "MB", memory_mb)
        yield from _commands(store, "borrow through the gateway", _borrow(store, server.url))
        yield from _commands(store, "forget through the gateway", _forget(store, server.url))


def single_commands(store: Store) -> Iterator[Figure]:
    """Commands without a gateway: each is a program that reads what it needs, and ends."""
    yield from _commands(store, "borrow without a gateway", _borrow(store, ""))
    yield from _commands(store, "forget without a gateway", _forget(store, ""))


def command_line(store: Store) -> Iterator[Figure]:
    """Queries of the names at the command line."""
    shown, listed = ("library", "patron", "show", store.borrower(1)), ("library", "patron", "list", "--json")
    yield from _commands(store, "library patron show", lambda: (*shown, *store.options, *_LIMIT))
    yield from _commands(store, "library patron list", lambda: (*listed, *store.options, *_LIMIT), 1)


def queries(store: Store) -> Iterator[Figure]:
    """The start of a query API with its replica, its memory, and the loans of a borrower by name."""
    with projecting(store.settings, store.folder):
        with query_api(store.settings, store.folder / "api"):
            pass
        begun = time.perf_counter()
        with query_api(store.settings, store.folder / "api") as server:
            yield _figure(store, "query API, start", "s", time.perf_counter() - begun)
            yield _figure(store, "query API, start", "MB", server.processes.memory_mb())
            yield _figure(store, "GET /loans?user_id=", "ms", _loans_ms(store, server.url))


PARTS: dict[str, Callable[[Store], Iterator[Figure]]] = {
    "gateway": gateways,
    "commands": single_commands,
    "queries": queries,
    "command-line": command_line,
}
_LIMIT = ("--timeout", str(LIMIT_S))


def _figure(store: Store, part: str, unit: str, value: float) -> Figure:
    return Figure(part, unit, store.borrowers, round(value, 2))


def _commands(
    store: Store, part: str, command: Callable[[], tuple[str, ...]], tries: int = COMMANDS
) -> Iterator[Figure]:
    done = [run(*command()) for _ in range(tries)]
    assert not any("nobody" in one.printed for one in done), done
    yield _figure(store, part, "s", median(one.seconds for one in done))
    yield _figure(store, part, "MB", max(one.peak_mb for one in done))


def _borrow(store: Store, url: str) -> Callable[[], tuple[str, ...]]:
    def command() -> tuple[str, ...]:
        title, who = in_house(random.randrange(TITLES)), _somebody(store, lends=True)
        return "producer", "borrow", title, who, "--gateway", url, *store.options, *_LIMIT

    return command


def _forget(store: Store, url: str) -> Callable[[], tuple[str, ...]]:
    def command() -> tuple[str, ...]:
        who = _somebody(store, lends=False)
        return "library", "patron", "forget", who, "--gateway", url, *store.options, *_LIMIT

    return command


def _somebody(store: Store, *, lends: bool) -> str:
    """A borrower without the loans of the start; ``lends``: of those who borrow, not who are forgotten."""
    return store.borrower(2 * random.randrange(TITLES // 2, store.borrowers // 2) + lends)


def _loans_ms(store: Store, url: str) -> float:
    """The median of requests over one connection, each for another borrower in turn."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LIMIT_S)
    took = []
    for number in range(REQUESTS):
        begun = time.perf_counter()
        connection.request("GET", f"/loans?user_id={store.borrower(number % TITLES)}")
        answer = connection.getresponse()
        body = answer.read()
        took.append(1000 * (time.perf_counter() - begun))
        assert answer.status == 200, body
        assert body.count(b'"isbn"') == LOANS_A_TITLE, body
    connection.close()
    return median(took)
