"""``python -m benchmarks.append.memory --commands 1000000`` measures the memory of a gateway."""

import sys
import tempfile
from pathlib import Path

import click
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.append.load import TITLES_A_LOAD, load
from benchmarks.harness.broker import broker
from benchmarks.harness.load import NoLoadGenerator, require_wrk
from benchmarks.harness.results import RESULTS, save, say, show
from benchmarks.harness.servers import gateway
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics

CLIENTS = 256
LOAD_S = 10.0


class Memory(Struct, frozen=True):
    """RSS of the gateway after a number of commands, and the rate of the last load."""

    commands: int
    memory_mb: int
    commands_per_second: float


@click.command()
@click.option(
    "--commands", default=1_000_000, show_default=True, help="Stop after the load that reaches this number."
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS / "append_memory.json")
def main(commands: int, output: Path) -> None:
    """Send a gateway commands for new titles, and measure its memory between the loads."""
    try:
        require_wrk()
    except NoLoadGenerator as error:
        sys.exit(str(error))
    results: list[Memory] = []
    with tempfile.TemporaryDirectory(prefix="library-memory-") as name, broker(Path(name)) as kafka:
        folder = Path(name)
        settings = Settings(kafka=kafka, name="benchmark")
        ensure_topics(AdminClient(client_config(settings)), settings)
        with gateway(settings, folder) as server:
            done = 0
            while done < commands:
                first_title = TITLES_A_LOAD * len(results)
                rate, _, _ = load(server.url, folder, CLIENTS, LOAD_S, first_title)
                done += round(rate * LOAD_S)
                results.append(Memory(done, round(server.processes.memory_mb()), round(rate)))
                say(str(results[-1]))
    show(results)
    save(output, {"results": results})


if __name__ == "__main__":
    main()
