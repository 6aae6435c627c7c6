"""``python -m benchmarks.append`` measures writes by HTTP, import and single commands, beside a peer."""

import sys
import tempfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import TypeAlias

import click
import msgspec
from confluent_kafka.admin import AdminClient

from benchmarks.append.load import TITLES_A_LOAD, load
from benchmarks.append.names import commands
from benchmarks.append.peers import Commands, postgresql, postgresql_server, sqlite
from benchmarks.append.programs import Import, OneShots, catalogue, one_shots, run_import
from benchmarks.append.verification import ROUNDS, Verification, verification
from benchmarks.harness.broker import broker
from benchmarks.harness.load import NoLoadGenerator, require_wrk
from benchmarks.harness.names import NamesCost, pair
from benchmarks.harness.results import RESULTS, save, save_part, say, show
from benchmarks.harness.servers import gateway
from benchmarks.harness.store import fill
from eventstore.partitions import partition_of
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics
from tests.support.workload import Step, workload

CLIENTS = (1, 16, 64, 256)
PEER_CLIENTS = (1, 4, 16)
DURABILITIES = ("disk", "os")
WARM_UP_S = 10.0
"""Duration of the load before the first measurement, in which the JVM warms up."""
IN_STORE = 100_000

Result: TypeAlias = Commands | Import | OneShots


def over_http(settings: Settings, durability: str, folder: Path, seconds: float) -> Iterator[Commands]:
    """Measure the gateway with an increasing number of clients."""
    first_titles = count(0, TITLES_A_LOAD)
    with gateway(settings, folder) as server:
        load(server.url, folder, max(CLIENTS), WARM_UP_S, next(first_titles))
        for clients in CLIENTS:
            rate, p50, p99 = load(server.url, folder, clients, seconds, next(first_titles))
            yield Commands("gateway", durability, clients, round(rate), round(p50, 2), round(p99, 2))


def programs(kafka: str, durability: str, folder: Path, titles: int) -> Iterator[Result]:
    """Measure an import into an empty store, and single commands on a store with IN_STORE events."""
    empty = _system(kafka, "benchmark-import", folder)
    yield run_import(empty, durability, catalogue(folder / "catalogue.csv", titles), titles)
    store = _system(kafka, "benchmark-commands", folder)
    happened = list(islice(workload(IN_STORE // 10, 1), IN_STORE))
    fill(store, happened)
    isbns = list(_of_different_partitions(store, happened))
    for snapshot in (True, False):
        yield one_shots(store, durability, IN_STORE, isbns, snapshot=snapshot)


def peers(durability: str, folder: Path, seconds: float) -> Iterator[Commands]:
    """Measure the same commands with the peers."""
    for clients in PEER_CLIENTS:
        yield sqlite(folder / f"sqlite-{clients}", durability, clients, seconds)
    with postgresql_server(durability) as port:
        for clients in PEER_CLIENTS:
            if port is None:
                break
            yield postgresql(port, durability, clients, seconds)


def everything(durability: str, seconds: float, titles: int) -> Iterator[Result]:
    """Measure everything with one durability."""
    with tempfile.TemporaryDirectory(prefix="library-append-") as name:
        folder = Path(name)
        with broker(folder, durability) as kafka:
            yield from over_http(_system(kafka, "benchmark", folder), durability, folder, seconds)
            yield from programs(kafka, durability, folder, titles)
        yield from peers(durability, folder, seconds)


def names_costs(durability: str, seconds: float) -> Iterator[NamesCost]:
    """Measure a gateway in a store that keeps names apart, and in one with user ids in its events."""
    with tempfile.TemporaryDirectory(prefix="library-append-") as name:
        folder = Path(name)
        with broker(folder, durability) as kafka:
            one, other = (Settings(kafka=kafka, name=store) for store in ("user-ids", "names-apart"))
            yield from commands(pair(one, other), durability, folder, seconds)


def beside_no_verification(durability: str, seconds: float) -> list[Verification]:
    """Measure the gateway alone, with and without Kafka's verification of partitions."""
    with tempfile.TemporaryDirectory(prefix="library-append-") as name:
        folder = Path(name)
        with broker(folder, durability) as kafka:
            settings = _system(kafka, "benchmark", folder)
            return list(verification(settings, durability, folder, seconds, WARM_UP_S))


def _of_different_partitions(settings: Settings, happened: list[Step]) -> Iterator[str]:
    """Yield one title of each partition that is in the inventory at the end."""
    last = {one.event.isbn: type(one.event).__name__ for one in happened}
    present = [isbn for isbn, event in last.items() if event != "BookRemoved"]
    yield from {partition_of(isbn, settings.partitions): isbn for isbn in present}.values()


def _system(kafka: str, name: str, folder: Path) -> Settings:
    data = folder / name
    data.mkdir()
    settings = Settings(kafka=kafka, name=name, data_dir=str(data))
    ensure_topics(AdminClient(client_config(settings)), settings)
    return settings


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Duration of each load.")
@click.option("--titles", default=400_000, show_default=True, help="Titles in the imported catalogue.")
@click.option(
    "--durability", "chosen", multiple=True, type=click.Choice(DURABILITIES), help="Only this durability."
)
@click.option("--names", is_flag=True, help="Only measure the cost of names that are kept apart.")
@click.option(
    "--verification", "verified", is_flag=True, help="Only measure the cost of Kafka's verification."
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "append.json")
def main(
    seconds: float, titles: int, chosen: tuple[str, ...], names: bool, verified: bool, output: Path
) -> None:
    """Measure writes that are flushed before the acknowledgement, or acknowledged from the page cache."""
    try:
        require_wrk()
    except NoLoadGenerator as error:
        sys.exit(str(error))
    if names:
        costs = [cost for durability in chosen or DURABILITIES for cost in names_costs(durability, seconds)]
        show(costs)
        save(output.with_stem(f"{output.stem}_names"), {"results": costs, "seconds": seconds})
        return
    if verified:
        compared = [one for mode in chosen or DURABILITIES for one in beside_no_verification(mode, seconds)]
        show(compared)
        save_part(output, "verification", {"results": compared, "seconds": seconds, "rounds": ROUNDS})
        return
    results: list[Result] = []
    for durability in chosen or DURABILITIES:
        for result in everything(durability, seconds, titles):
            say(str(result))
            results.append(result)
    for kind in (Commands, Import, OneShots):
        show([result for result in results if isinstance(result, kind)])
    save(output, {"results": msgspec.to_builtins(results), "seconds": seconds})


if __name__ == "__main__":
    main()
