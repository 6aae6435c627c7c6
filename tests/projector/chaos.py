"""Workers killed and frozen, brokers restarted, topics lost, for a long time: ``make chaos-projector``.

    python -m tests.projector.chaos --kills 100 --seed 1

After every round the table, in RocksDB and in its changelog, is compared with a plain fold of the event
store, row by row. The same seed gives the same plan; how processes meet is up to the machine.
"""

import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
from confluent_kafka.admin import AdminClient

from library.kafka import Kafka, Node
from library.ports import free_port
from schemas.kafka import client_config
from schemas.settings import Settings
from schemas.topics import ensure_topics
from tests.projector.events import EventStore
from tests.projector.exact import assert_exact, lag, until_caught_up
from tests.projector.faulty import PLACES
from tests.projector.topics import lose_changelog
from tests.projector.workers import Worker, crew_of
from tests.waiting import eventually

Starter: TypeAlias = Callable[[int, str], Worker]

WORKERS = 2


class Run:
    """One event store, two workers, and what is done to them."""

    def __init__(self, kafka: Kafka, folder: Path, seed: int) -> None:
        self.kafka = kafka
        self.settings = Settings(kafka=kafka.bootstrap, partitions=4, data_dir=str(folder / "data"))
        ensure_topics(AdminClient(client_config(self.settings)), self.settings)
        self.store = EventStore(self.settings, titles=200, seed=seed)
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.workers: dict[int, Worker] = {}

    @property
    def kills(self) -> int:
        """Workers killed so far."""
        return sum(count for what, count in self.done.items() if what.startswith("killed"))

    def round(self, start: Starter) -> None:
        """Write, break something while it is folded, write on, and compare."""
        self.revive(start)
        self.write()
        what = self.random.choices(
            [self.kill, self.die_in_the_window, self.freeze, self.stop, self.restart_kafka, self.lose],
            [40, 40, 4, 8, 4, 4],
        )[0]
        what(start)
        self.write()
        self.revive(start)
        rows = assert_exact(self.settings, limit=120)
        self.done["comparisons"] += 1
        self.done["rows compared"] += 2 * len(rows)

    def revive(self, start: Starter) -> None:
        """Start workers that ended, as a supervisor does; 65 would mean that it must not."""
        for index in range(WORKERS):
            worker = self.workers.get(index)
            if worker is not None and worker.process.poll() is None:
                continue
            if worker is not None:
                assert worker.process.returncode != 65, worker.said()
            self.workers[index] = start(index, "batch:40 session:6")

    def write(self) -> None:
        """Some events, in large transactions or one by one, a fifth of them aborted too."""
        events = self.random.randrange(20, 300)
        self.store.append(events, transaction=self.random.choice([1, 7, 100]), aborted=0.2)
        self.done["events"] += events
        if self.random.random() < 0.1:
            self.store.leave_open()
            self.store.come_back()
            self.done["transactions left open"] += 1

    def _one(self) -> Worker:
        return self.random.choice(
            [worker for worker in self.workers.values() if worker.process.poll() is None]
        )

    def kill(self, start: Starter) -> None:
        """At any time, during its start too."""
        worker = self._one()
        if self.random.random() < 0.7:
            eventually(lambda: worker.process.poll() is not None or worker.ready_file.exists(), 60)
        self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        # Not those that ended by themselves before
        self.done["killed at random"] += worker.process.poll() is None
        worker.kill()

    def die_in_the_window(self, start: Starter) -> None:
        """Around a write or a commit."""
        index = self.random.randrange(WORKERS)
        self._kill(self.workers[index])
        place = self.random.choice(sorted(PLACES))
        self.workers[index] = start(index, f"batch:40 session:6 die:{place}:{self.random.randrange(1, 4)}")
        self.write()
        worker = self.workers[index]
        # One that has nothing to do does not come by
        eventually(lambda: worker.process.poll() is not None or lag(self.settings) == 0, 120)
        if worker.process.poll() is not None:
            self.done[f"killed {place}"] += 1

    def freeze(self, start: Starter) -> None:
        """Beyond its session, while the other one goes on."""
        worker = self._one()
        worker.freeze()
        self.store.append(100, aborted=0.2)
        # While it sleeps the other one, when there is one, takes its partitions and catches up
        until_caught_up(self.settings, 120)
        worker.thaw()
        self.done["frozen"] += 1

    def stop(self, start: Starter) -> None:
        """Cleanly."""
        worker = self._one()
        eventually(lambda: worker.process.poll() is not None or worker.ready_file.exists(), 60)
        worker.stop()
        self.done["stopped"] += 1

    def restart_kafka(self, start: Starter) -> None:
        """Killed, and started again."""
        self.kafka.kill()
        self.kafka = Kafka(self.kafka.node, os.environ)
        self.store.come_back()
        self.done["Kafka killed"] += 1

    def lose(self, start: Starter) -> None:
        """The changelog, while no worker runs."""
        for worker in self.workers.values():
            self._kill(worker)
        lose_changelog(self.settings)
        self.done["changelog lost"] += 1


@click.command()
@click.option("--kills", default=100, show_default=True, help="Workers to kill.")
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Break the projector in all ways, and compare its table after each."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        node = Node(home=folder / "kafka", port=free_port(), durability="os")
        run = Run(Kafka(node, os.environ), folder, seed)
        try:
            with crew_of(run.settings) as crew:
                while run.kills < kills:
                    run.round(crew.start)
                    click.echo(f"\r{run.kills} of {kills} kills", nl=False, err=True)
        finally:
            run.kafka.kill()
            click.echo("", err=True)
            for what, count in sorted(run.done.items()):
                click.echo(f"{what:24} {count:>8,}")
    click.echo("every comparison was exact")


if __name__ == "__main__":
    main()
