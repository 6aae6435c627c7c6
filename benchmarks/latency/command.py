"""``python -m benchmarks.latency`` shows where the time of a command that is read back goes."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.harness.broker import broker
from benchmarks.harness.calibration import calibrate
from benchmarks.harness.contestants import ours
from benchmarks.harness.processes import Processes
from benchmarks.harness.progress import Group
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.servers import Server, gateway, kafka_streams, query_api
from benchmarks.harness.waiting import until
from benchmarks.latency.load import Figures, Load, add_title, figures
from benchmarks.latency.traces import Collector, Step, collector, waterfall
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics

CLIENTS = (1, 8, 40, 256)
WARM_UP_S = 2.0
SEEDS_A_LOAD = 1_000
OURS, PEER = "ours", "kafka-streams-linger-0"


class Ratio(Struct, frozen=True):
    """How waiting grows with the clients, in one run."""

    name: str
    clients: int
    p50_of_one_clients: float
    p99_of_p50: float
    read_back_p50_of_one_clients: float
    read_back_p99_of_p50: float


@contextmanager
def projector(settings: Settings, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run our projector; continue when it has read everything."""
    entry = ours(settings, folder, 1)
    group = Group(settings, entry.group)
    with Processes(entry.commands, environment, folder / "output") as processes:
        until(lambda: group.lag() == 0, 120, "the projector to catch up", meanwhile=processes.check)
        yield


def measure(
    name: str, load: Load, clients: tuple[int, ...], seconds: float, spans: Collector | None
) -> tuple[list[Figures], list[Step]]:
    """Each number of clients in turn, after a warm-up; the waterfall where there are spans."""
    found, steps = [], list[Step]()
    first = (OURS, PEER).index(name) * len(clients)
    for number, count in enumerate(clients, first):
        # Each load has titles of its own
        seed = number * SEEDS_A_LOAD
        load.run(count, WARM_UP_S, seed + SEEDS_A_LOAD // 2)
        written = load.run(count, seconds, seed)
        found.append(figures(name, count, written, seconds))
        say(str(found[-1]))
        if spans is not None:
            steps += waterfall(count, spans.times(written))
    return found, steps


def measure_ours(
    write: Server,
    settings: Settings,
    folder: Path,
    clients: tuple[int, ...],
    seconds: float,
    spans: Collector,
) -> tuple[list[Figures], list[Step]]:
    """Our projector and query API."""
    with (
        projector(settings, folder / "projector", spans.environment),
        query_api(settings, folder / "api", spans.environment) as read,
    ):
        load = Load(write.url, read.url, lambda isbn, at, _: f"/inventory/{isbn}?after={at}&timeout=30")
        return measure(OURS, load, clients, seconds, spans)


def measure_peer(
    write: Server, settings: Settings, folder: Path, clients: tuple[int, ...], seconds: float
) -> list[Figures]:
    """Kafka Streams, which sends each changed row to its changelog at once, and reads of its store."""
    isbn = add_title(write.url)
    options = ("--cached", "false", "--linger-ms", "0", "--http-threads", str(max(clients)))
    with kafka_streams(settings, folder / "streams", isbn, *options) as read:
        load = Load(write.url, read.url, lambda isbn, _, version: f"/inventory/{isbn}?version={version}")
        return measure(PEER, load, clients, seconds, None)[0]


def ratios(found: list[Figures]) -> list[Ratio]:
    """Each load beside that of the fewest clients of the same name."""
    first: dict[str, Figures] = {}
    made = []
    for one in found:
        base = first.setdefault(one.name, one)
        made.append(
            Ratio(
                one.name,
                one.clients,
                round(one.whole_p50_ms / base.whole_p50_ms, 1),
                round(one.whole_p99_ms / one.whole_p50_ms, 1),
                round(one.read_back_p50_ms / base.read_back_p50_ms, 1),
                round(one.read_back_p99_ms / one.read_back_p50_ms, 1),
            )
        )
    return made


@click.command()
@click.option("--clients", multiple=True, type=int, default=CLIENTS, show_default=True)
@click.option("--seconds", default=6.0, show_default=True, help="Duration of each load.")
@click.option("--peer/--no-peer", default=True, show_default=True, help="Also Kafka Streams.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "latency.json")
def main(clients: tuple[int, ...], seconds: float, peer: bool, output: Path) -> None:
    """Clients write and read back, each as fast as it gets answers; some of the commands are traced."""
    with tempfile.TemporaryDirectory(prefix="library-latency-") as name, ExitStack() as stack:
        folder = Path(name)
        kafka = stack.enter_context(broker(folder))
        spans = stack.enter_context(collector())
        calibration = calibrate(kafka, folder)
        settings = Settings(kafka=kafka, name="benchmark")
        ensure_topics(AdminClient(client_config(settings)), settings)
        write = stack.enter_context(gateway(settings, folder / "gateway", environment=spans.environment))
        found, steps = measure_ours(write, settings, folder, clients, seconds, spans)
        if peer:
            found += measure_peer(write, settings, folder, clients, seconds)
    compared = ratios(found)
    show([calibration])
    show(found)
    show(compared)
    show(steps)
    results = {"results": found, "ratios": compared, "waterfall": steps}
    save(output, {**results, "calibration": calibration, "seconds": seconds})


if __name__ == "__main__":
    main()
