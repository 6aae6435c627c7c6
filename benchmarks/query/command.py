"""``python -m benchmarks.query`` measures our API beside Kafka Streams' interactive queries and nginx."""

import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from urllib.parse import quote

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.harness.broker import broker
from benchmarks.harness.contestants import EXACTLY_ONCE
from benchmarks.harness.load import (
    CONNECTIONS,
    LOAD_S,
    WARM_UP_S,
    Load,
    NoLoadGenerator,
    Request,
    load,
    require_wrk,
    script,
)
from benchmarks.harness.names import pair
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.servers import Server, gateway, kafka_streams, nginx, projecting, query_api
from benchmarks.harness.store import fill
from benchmarks.query.fresh import Fresh, at_a_steady_rate, under_load
from benchmarks.query.names import reads
from benchmarks.query.ratios import EARLIER, NOT_KEPT, OURS, PEER, ratios
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.times import rfc3339
from schemas.topics import ensure_topics
from tests.support.workload import workload

CACHED_TITLES = 2_000
"""Titles requested in turn. Our API caches all of their responses."""
UNCACHED_TITLES = 10_000
"""Too many for the cache: each response has been evicted before its title is requested again."""
EVENTS_A_TITLE = 10
PEERS = {PEER: (), "kafka-streams-exactly-once": EXACTLY_ONCE}
SEARCHES = ["river+gard", "capek+sil", "moon", "wint+sto+l"]


class Store(Struct, frozen=True):
    """A filled event store, some of its titles, and a time in its middle."""

    settings: Settings
    isbns: list[str]
    middle: str


def filled(kafka: str, name: str, titles: int, seed: int) -> Store:
    """Create the topics and fill the store."""
    settings = Settings(kafka=kafka, name=name)
    ensure_topics(AdminClient(client_config(settings)), settings)
    happened = list(islice(workload(titles, seed), titles * EVENTS_A_TITLE))
    written = fill(settings, happened)
    say(f"{name}: {written.events:,} events of {titles:,} titles written in {written.seconds:.1f} s")
    present = {h.event.isbn: type(h.event).__name__ != "BookRemoved" for h in happened}
    early = {h.event.isbn for h in happened[: len(happened) // 4]}
    isbns = sorted(isbn for isbn, there in present.items() if there and isbn in early)
    chosen = random.Random(seed).sample(isbns, min(UNCACHED_TITLES, len(isbns)))
    return Store(settings, chosen, rfc3339(happened[len(happened) // 2].event.timestamp))


def one_title(store: Store) -> dict[str, list[Request]]:
    """Requests for our API and the peer."""
    requests = [Request(f"/inventory/{isbn}") for isbn in store.isbns]
    return {"one title": requests[:CACHED_TITLES], NOT_KEPT: requests}


def searches() -> dict[str, list[Request]]:
    """Requests for our API and an earlier release of it."""
    return {"search": [Request(f"/inventory?q={q}&limit=20") for q in SEARCHES]}


def cases(store: Store, server: Server) -> dict[str, list[Request]]:
    """Requests for our API."""
    tags = {isbn: server.get(f"/inventory/{isbn}")[1]["etag"] for isbn in store.isbns[:200]}
    at = quote(store.middle)
    cursor = server.get("/inventory?limit=50")[0]["next_cursor"]
    # A title that was removed at that time would be answered with 410
    then = [isbn for isbn in store.isbns[:200] if server.has(f"/inventory/{isbn}?at={at}")]
    return {
        **one_title(store),
        "not modified": [Request(f"/inventory/{isbn}", tag) for isbn, tag in tags.items()],
        "page of 50": [Request(f"/inventory?limit=50&cursor={cursor}")],
        **searches(),
        "title as of": [Request(f"/inventory/{isbn}?at={at}") for isbn in then],
        "page of 50 as of": [Request(f"/inventory?limit=50&at={at}")],
    }


def measure(
    name: str, server: Server, case: str, requests: Sequence[Request], folder: Path
) -> Iterator[Load]:
    """Measure a case with 1 and 32 connections, after a warm-up."""
    lua = script(requests, folder / f"{name}-{case.replace(' ', '-')}.lua")
    load(server.url, lua, max(CONNECTIONS), WARM_UP_S)
    for connections in CONNECTIONS:
        rate, p50, p99 = load(server.url, lua, connections)
        memory = server.processes.memory_mb()
        measured = Load(name, case, connections, round(rate), round(p50, 3), round(p99, 3), round(memory))
        say(str(measured))
        yield measured


def round_of(store: Store, folder: Path, chosen: Collection[str], earlier: Path | None = None) -> list[Load]:
    """Measure each case on every server in turn, and on the checkout ``earlier`` of another release.

    All servers run meanwhile: figures that are compared are seconds apart, not minutes. Only the cases that
    are ``chosen``; all if none is.
    """

    def some(requests: dict[str, list[Request]]) -> dict[str, list[Request]]:
        return {case: sent for case, sent in requests.items() if not chosen or case in chosen}

    with ExitStack() as running:
        start = running.enter_context
        api = start(query_api(store.settings, folder / "api"))
        asked = {OURS: (api, some(cases(store, api)))}
        if requests := some(one_title(store)):
            for peer, options in PEERS.items():
                server = start(kafka_streams(store.settings, folder / peer, store.isbns[0], *options))
                asked[peer] = server, requests
        if earlier is not None and (requests := some(searches())):
            environment = {"PYTHONPATH": str(earlier.absolute())}
            asked[EARLIER] = start(query_api(store.settings, folder / "earlier", environment)), requests
        if requests := some({"one title": [Request("/title")]}):
            body = json.dumps(api.get(f"/inventory/{store.isbns[0]}")[0], ensure_ascii=False).encode()
            if (file := start(nginx(body, folder / "nginx"))) is not None:
                asked["nginx-file"] = file, requests
        return [
            measured
            for case in dict.fromkeys(case for _, requests in asked.values() for case in requests)
            for name, (server, requests) in asked.items()
            if case in requests
            for measured in measure(name, server, case, requests[case], folder)
        ]


def medians(runs: Sequence[Load]) -> list[Load]:
    """Reduce the runs to one result for each server, case and number of connections, with median figures."""
    same: defaultdict[tuple[str, str, int], list[Load]] = defaultdict(list)
    for run in runs:
        same[run.name, run.case, run.connections].append(run)
    figures = Load.__struct_fields__[3:]
    return [
        Load(*key, *(median(getattr(run, figure) for run in found) for figure in figures))
        for key, found in same.items()
    ]


def large(kafka: str, titles: int, seed: int, folder: Path) -> list[Load]:
    """Measure requests for single titles in a store of ten times the size."""
    store = filled(kafka, "benchmark-large", titles * 10, seed)
    with projecting(store.settings, folder / "large"):
        pass
    with query_api(store.settings, folder / "large-api") as server:
        return [
            measured
            for case, requests in one_title(store).items()
            for measured in measure("ours, ten times the titles", server, case, requests, folder)
        ]


def fresh(settings: Settings, folder: Path) -> list[Fresh]:
    """Measure the time from the acknowledgement to a read that shows the write."""
    with (
        projecting(settings, folder / "fresh"),
        gateway(settings, folder / "gateway") as write,
        query_api(settings, folder / "fresh-api") as server,
    ):
        return [at_a_steady_rate(write, server), under_load(write, server)]


@click.command()
@click.option("--titles", default=20_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; each figure is their median.")
@click.option("--case", "chosen", multiple=True, metavar="CASE", help="Only this case; may be repeated.")
@click.option(
    "--large/--no-large",
    "with_large",
    default=True,
    show_default=True,
    help="Also with ten times the titles.",
)
@click.option(
    "--fresh/--no-fresh", "with_fresh", default=True, show_default=True, help="Also reads of own writes."
)
@click.option(
    "--earlier",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of an earlier release, to compare searches with.",
)
@click.option("--names", is_flag=True, help="Only measure the cost of names that are kept apart.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "query.json")
def main(
    titles: int,
    seed: int,
    repeats: int,
    chosen: tuple[str, ...],
    with_large: bool,
    with_fresh: bool,
    earlier: Path | None,
    names: bool,
    output: Path,
) -> None:
    """Send the same requests to every server, and measure reads of own writes."""
    try:
        require_wrk()
    except NoLoadGenerator as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory(prefix="library-query-") as name, broker(Path(name)) as kafka:
        folder = Path(name)
        if names:
            two = pair(*(Settings(kafka=kafka, name=one) for one in ("user-ids", "names-apart")))
            costs = list(reads(two, folder, titles, seed, titles * EVENTS_A_TITLE))
            show(costs)
            save(output.with_stem(f"{output.stem}_names"), {"results": costs, "seconds": LOAD_S})
            return
        store = filled(kafka, "benchmark", titles, seed)
        with projecting(store.settings, folder / "first"):
            pass
        runs = []
        for number in range(repeats):
            runs += round_of(store, folder / str(number), chosen, earlier)
        results = medians(runs)
        if with_large:
            results += large(kafka, titles, seed, folder)
        own = fresh(store.settings, folder) if with_fresh else []
    show(results)
    show(own)
    compared = ratios(results)
    show(compared)
    save(
        output,
        {
            "results": results,
            "ratios": compared,
            "fresh": own,
            "repeats": repeats,
            "seconds": LOAD_S,
            "runs": runs,
        },
    )


if __name__ == "__main__":
    main()
