"""``python -m benchmarks.gateways`` measures gateways that share the partitions, and others."""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import TypeAlias

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.append.load import TITLES_A_LOAD, load
from benchmarks.gateways.killed import AfterKill, after_a_kill
from benchmarks.harness.broker import broker
from benchmarks.harness.calibration import calibrate
from benchmarks.harness.load import NoLoadGenerator, require_wrk
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.servers import Server, gateway
from benchmarks.harness.waiting import until
from foundation.http.readiness import read_readiness
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics

CLIENTS = (64, 256)
WARM_UP_S = 4.0
SHARE_LIMIT_S = 60.0
NOWHERE = "http://127.0.0.2:1"
"""An address at which nobody answers."""


Figures: TypeAlias = tuple[float, float, float]
"""Commands/s, and the 50th and 99th percentile in ms."""


class Kind(Struct, frozen=True):
    """Gateways that are measured. Those that do not share can't reach each other."""

    name: str
    gateways: int
    share: bool = True


KINDS = (
    Kind("one", 1),
    Kind("two that share", 2),
    Kind("three that share", 3),
    Kind("two that do not share", 2, share=False),
)


class Rate(Struct, frozen=True):
    """Commands that clients sent to all gateways in equal parts."""

    name: str
    clients: int
    commands_per_second: float
    p50_ms: float
    p99_ms: float
    of_one_gateways_rate: float
    of_one_gateways_p99: float
    of_one_in_each_round: list[float]
    """The ratios of the rates."""


@contextmanager
def gateways(settings: Settings, folder: Path, kind: Kind) -> Iterator[list[Server]]:
    """Run gateways as on one machine, with one data directory; yield them when each has its partitions."""
    environment = {} if kind.share else {"LIBRARY_ADVERTISE": NOWHERE}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(gateway(settings, folder, environment=environment))
            for _ in range(kind.gateways)
        ]
        if kind.share:
            until(lambda: shared(settings, servers), SHARE_LIMIT_S, "the gateways to share the partitions")
        yield servers


def shared(settings: Settings, servers: Sequence[Server]) -> bool:
    """Whether each gateway has partitions, and each partition has one gateway that the others know."""
    reports = [read_readiness(server.url, 2.0)[1] for server in servers]
    each = [report["partitions"] for report in reports]
    known = [sum(map(len, report["others"].values()), len(report["partitions"])) for report in reports]
    everything = settings.partitions
    return all(each) and sum(map(len, each)) == everything and known == [everything] * len(servers)


def rates(kafka: str, folder: Path, seconds: float, repeats: int) -> list[Rate]:
    """Measure all kinds in turn, ``repeats`` times; each figure is a median."""
    found: dict[tuple[str, int], list[Figures]] = defaultdict(list)
    numbers = count()
    for repeat in range(repeats):
        for number, kind in enumerate(KINDS):
            name = f"benchmark-{repeat}-{number}"
            settings = system(kafka, name)
            with gateways(settings, folder / name, kind) as servers:
                urls = [server.url for server in servers]
                load(urls, folder, max(CLIENTS), WARM_UP_S, next(numbers) * TITLES_A_LOAD)
                for clients in CLIENTS:
                    figures = load(urls, folder, clients, seconds, next(numbers) * TITLES_A_LOAD)
                    say(f"{kind.name}, {clients} clients: {figures}")
                    found[kind.name, clients].append(figures)
    return [_rate(*key, rounds, found[KINDS[0].name, key[1]]) for key, rounds in found.items()]


def _rate(name: str, clients: int, rounds: Sequence[Figures], of_one: Sequence[Figures]) -> Rate:
    """The medians of all rounds; the ratios are those within a round, as the machine's speed changes."""
    rate, p50, p99 = (median(column) for column in zip(*rounds, strict=True))
    pairs = list(zip(rounds, of_one, strict=True))
    of_rate = [round(figures[0] / one[0], 2) for figures, one in pairs]
    of_p99 = [round(figures[2] / one[2], 2) for figures, one in pairs]
    return Rate(
        name,
        clients,
        round(rate),
        round(p50, 1),
        round(p99, 1),
        round(median(of_rate), 2),
        round(median(of_p99), 2),
        of_rate,
    )


def killed(kafka: str, folder: Path, repeats: int) -> list[AfterKill]:
    """Kill one of three that share, ``repeats`` times."""
    found = []
    for repeat in range(repeats):
        name = f"benchmark-killed-{repeat}"
        with gateways(system(kafka, name), folder / name, KINDS[2]) as servers:
            found.append(after_a_kill(servers))
            say(str(found[-1]))
    return found


def system(kafka: str, name: str) -> Settings:
    """A new, empty store."""
    settings = Settings(kafka=kafka, name=name)
    ensure_topics(AdminClient(client_config(settings)), settings)
    return settings


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="Duration of each load.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; each figure is their median.")
@click.option("--kills", default=3, show_default=True, help="Gateways that are killed, one at a time.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "gateways.json")
def main(seconds: float, repeats: int, kills: int, output: Path) -> None:
    """Measure several gateways of one store; each command goes to any of them."""
    try:
        require_wrk()
    except NoLoadGenerator as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory(prefix="library-gateways-") as name:
        folder = Path(name)
        with broker(folder) as kafka:
            calibration = calibrate(kafka, folder)
            measured = rates(kafka, folder, seconds, repeats)
            deaths = killed(kafka, folder, kills)
    show([calibration])
    show(measured)
    show(deaths)
    save(output, {"results": measured, "killed": deaths, "calibration": calibration, "seconds": seconds})


if __name__ == "__main__":
    main()
