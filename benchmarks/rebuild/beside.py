"""``python -m benchmarks.rebuild.beside`` measures what a second table costs those who write meanwhile."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import quantiles

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.harness.broker import broker
from benchmarks.harness.calibration import calibrate
from benchmarks.harness.processes import Processes, python
from benchmarks.harness.progress import Group
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.servers import gateway, projecting, query_api
from benchmarks.harness.store import fill
from benchmarks.query.fresh import RATE, Client, borrow_and_return
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import Command
from schemas.tables import inventory_table
from schemas.topics import ensure_topics
from tests.support.workload import workload

WARM_UP = 250
COMMANDS = 500
LAG_INTERVAL = 10
"""Commands between two looks at the second table's lag."""


class Visible(Struct, frozen=True):
    """Time from a command until a read shows it, at RATE commands a second."""

    during: str
    writes: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Beside:
    """Sends commands at RATE, one after the other."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._commands: Iterator[tuple[Command, int]] = borrow_and_return(1, 1_000_000)

    def measure(self, during: str, more: Callable[[int], bool]) -> Visible:
        """Send commands as long as ``more``, called with the number of commands sent, is true."""
        begun, waited = time.perf_counter(), list[float]()
        while more(len(waited)):
            time.sleep(max(0.0, begun + len(waited) / RATE - time.perf_counter()))
            sent = time.perf_counter()
            _, stale = self._client.once(*next(self._commands))
            assert not stale
            waited.append(1000 * (time.perf_counter() - sent))
        percentiles = quantiles(waited, n=100)
        seconds = round(time.perf_counter() - begun, 1)
        return Visible(during, len(waited), seconds, round(percentiles[49], 1), round(percentiles[98], 1))


def beside(settings: Settings, folder: Path) -> tuple[list[Visible], dict[str, float]]:
    """Measure before and during the computation of a second table, then the change to it and back."""
    options = ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", str(folder / "second")]
    with (
        projecting(settings, folder / "first"),
        gateway(settings, folder / "gateway") as write,
        query_api(settings, folder / "api") as read,
    ):
        sender = Beside(Client(write, read))
        sender.measure("", lambda sent: sent < WARM_UP)
        found = [sender.measure("one table", lambda sent: sent < COMMANDS)]
        _library("rebuild", "start", *options)
        group = Group(settings, inventory_table(2).group_id(settings))
        with Processes(
            [python("projector", *options, "--table", "2", "--index", "0")], {}, folder / "worker"
        ):
            found.append(
                sender.measure(
                    "a second one is computed", lambda sent: sent % LAG_INTERVAL > 0 or group.lag() > 0
                )
            )
            found.append(sender.measure("two tables", lambda sent: sent < COMMANDS))
            seconds = {
                step: _library("rebuild", step, *options, "--api", read.url, "--timeout", "60")
                for step in ("switch", "rollback")
            }
    return found, seconds


def _library(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run(python("library", *arguments), check=True, timeout=120)
    return round(time.perf_counter() - begun, 2)


@click.command()
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--titles", default=50_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "rebuild_beside.json")
def main(events: int, titles: int, seed: int, output: Path) -> None:
    """Compute a second table beside the live one, and measure what writers notice of it."""
    with tempfile.TemporaryDirectory(prefix="library-beside-") as name, broker(Path(name)) as kafka:
        calibration = calibrate(kafka, Path(name))
        settings = Settings(kafka=kafka, name="beside")
        ensure_topics(AdminClient(client_config(settings)), settings)
        say(f"{fill(settings, islice(workload(titles, seed), events)).seconds:.1f} s to fill the store")
        found, seconds = beside(settings, Path(name))
    show(found)
    say("".join(f"{step}: {took:.2f} s until the query API answers\n" for step, took in seconds.items()))
    save(
        output,
        {
            "results": found,
            "seconds": seconds,
            "events": events,
            "titles": titles,
            "calibration": calibration,
        },
    )


if __name__ == "__main__":
    main()
