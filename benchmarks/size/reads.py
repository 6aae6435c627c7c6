"""The read side on a store of a given size: the query API's start, and requests for random titles."""

import random
from collections.abc import Iterator
from urllib.parse import quote

from benchmarks.harness.load import WARM_UP_S, Request, load, script
from benchmarks.harness.servers import Server
from benchmarks.size.programs import Figure, api, new_replica
from benchmarks.size.store import SEED, Store
from query_api.queries.cursors import make_cursor
from query_api.queries.page import TitleFilters, TitleKey
from schemas.times import rfc3339

CONNECTIONS = 32
LOAD_S = 5
TITLES = 20_000
"""Titles of the sample that are requested in turn: more than the API's cache holds."""
SELECTED = 400
"""Titles and pages that are requested in turn where each costs more."""
SEARCHES = ("river+gard", "capek+sil", "moon", "wint+sto+l")


def replica(store: Store) -> Iterator[Figure]:
    """A query API without a replica, until it is ready."""
    part, new = "replica from nothing", new_replica(store)
    yield Figure(part, "µs/title", store.titles, round(new.seconds / store.titles * 1e6, 1))
    yield Figure(part, "CPU µs/title", store.titles, round(new.cpu_seconds / store.titles * 1e6, 1))
    yield Figure(part, "MB", store.titles, round(new.memory_mb))


def queries(store: Store) -> Iterator[Figure]:
    """Requests per second of CONNECTIONS connections, for each kind of request."""
    with api(store) as server:
        for case, requests in _cases(store, server).items():
            lua = script(requests, store.folder / "requests.lua")
            load(server.url, lua, CONNECTIONS, WARM_UP_S)
            rate, _, _ = load(server.url, lua, CONNECTIONS, LOAD_S)
            yield Figure(f"GET {case}", "requests/s", store.titles, round(rate))
        yield Figure("GET, all of these", "MB", store.titles, round(server.processes.memory_mb()))


def _cases(store: Store, server: Server) -> dict[str, list[Request]]:
    at, titles = quote(rfc3339(store.facts.middle_ms)), store.facts.sample[:TITLES]
    then = [isbn for isbn in titles[:SELECTED] if server.has(f"/inventory/{isbn}?at={at}")]
    now, past = TitleFilters(), TitleFilters(at=store.facts.middle_ms)
    volumes = random.Random(SEED).sample(range(store.titles), SELECTED)
    return {
        "title": [Request(f"/inventory/{isbn}") for isbn in titles],
        "page of 50": [Request(_page(now, isbn)) for isbn in titles[:SELECTED]],
        "search for frequent words": [Request(f"/inventory?q={q}&limit=20") for q in SEARCHES],
        "search for a rare word": [Request(f"/inventory?q=river+{volume}&limit=20") for volume in volumes],
        "title as of": [Request(f"/inventory/{isbn}?at={at}") for isbn in then],
        "page of 50 as of": [Request(f"{_page(past, isbn)}&at={at}") for isbn in titles[:SELECTED]],
    }


def _page(filters: TitleFilters, isbn: str) -> str:
    """The page after a title."""
    return f"/inventory?limit=50&cursor={make_cursor(['inventory', filters], TitleKey(int(isbn), int(isbn)))}"
