"""Chaos for the projector (``make chaos-projector``): kills workers, freezes them, loses topics.

    python -m tests.chaos.projector --kills 100 --seed 1

After every round the table, in RocksDB and in its changelog, is compared with a plain fold of the event
store, row by row. The same seed gives the same plan; how processes meet is up to the machine.
"""

import os
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.broker.kafka import Node
from library.process.ports import free_port
from schemas.topics import ensure_topics
from tests.support.embedded_kafka import Kafka
from tests.support.projector.event_store import EventStore
from tests.support.projector.faulty_projector import PLACES
from tests.support.projector.table_check import assert_exact, lag, until_lag
from tests.support.projector.topic_damage import lose_changelog
from tests.support.projector.worker_process import Worker, crew_of
from tests.support.waiting import eventually

Starter: TypeAlias = Callable[[int, str], Worker]

WORKERS = 2
BACKLOG_EVENTS = 3_000
"""Changed rows stay in memory over many batches while so many events wait."""
MEMORIES = (30_000, 1_000_000)
"""Bytes for the rows of a worker: less than the rows of a partition take, or enough for all of them."""


class Run:
    """One event store, two workers, and the damage done to them."""

    def __init__(self, kafka: Kafka, folder: Path, seed: int) -> None:
        self.kafka = kafka
        self.settings = Settings(kafka=kafka.bootstrap, partitions=4, data_dir=str(folder / "data"))
        ensure_topics(AdminClient(client_config(self.settings)), self.settings)
        self.store = EventStore(self.settings, titles=200, seed=seed)
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.workers: dict[int, Worker] = {}
        self._deck: list[Callable[[Starter], None]] = []
        """Kinds of damage left in this round: each kind occurs once before any is repeated."""
        self._places: list[str] = []
        self._doomed: dict[int, str] = {}
        """Workers that die by themselves, and where."""

    def show(self) -> None:
        """Print the state of the workers and the ends of their logs."""
        for index, worker in self.workers.items():
            said = "\n".join(worker.log.read_text("utf-8").splitlines()[-40:])
            click.echo(f"worker {index}, exit code {worker.process.poll()}:\n{said}", err=True)

    @property
    def kills(self) -> int:
        """Workers killed so far."""
        return sum(count for what, count in self.done.items() if what.startswith("killed"))

    def round(self, start: Starter) -> None:
        """Write a backlog, break something while it is folded, write on, and compare."""
        self.revive(start)
        self.write_backlog()
        if not self._deck:
            self._deck += 10 * [self.kill, self.die_in_the_window]
            self._deck += 2 * [self.freeze, self.stop]
            self._deck += [self.restart_kafka, self.lose]
            self.random.shuffle(self._deck)
        self._deck.pop()(start)
        self.write()
        self.revive(start)
        self.settle(start)
        rows = assert_exact(self.settings)
        self.done["comparisons"] += 1
        self.done["rows compared"] += 2 * len(rows)

    def settle(self, start: Starter) -> None:
        """Wait until everything is in the table; restart ended workers as a supervisor does."""

        def caught_up(lag: int) -> bool:
            self.revive(start)
            return lag == 0

        until_lag(self.settings, caught_up, 120)

    def revive(self, start: Starter) -> None:
        """Restart ended workers. Exit code 65 fails the run: a supervisor would not restart the worker."""
        for index in range(WORKERS):
            worker = self.workers.get(index)
            if worker is not None:
                if worker.process.poll() is None:
                    continue
                assert worker.process.returncode != 65, worker.said()
                self._bury(index)
            self.workers[index] = start(index, self._faults())

    def _faults(self) -> str:
        return f"batch:40 session:6 memory:{self.random.choice(MEMORIES)}"

    def _bury(self, index: int) -> None:
        """Count the outcome of a worker that ended by itself."""
        place = self._doomed.pop(index, None)
        code = self.workers[index].process.returncode
        self.done[f"killed {place}" if code == -signal.SIGKILL and place else f"ended with {code}"] += 1

    def write(self) -> None:
        """Write events in large transactions or one by one, a fifth of them also in aborted ones."""
        events = self.random.randrange(20, 300)
        self.store.append(events, transaction=self.random.choice([1, 7, 100]), aborted=0.2)
        self.done["events"] += events
        if self.random.random() < 0.1:
            self.store.leave_open()
            self.store.come_back()
            self.done["transactions left open"] += 1

    def write_backlog(self) -> None:
        """Write far more events than a batch takes, a fifth of them also in aborted transactions.

        The workers are frozen meanwhile: otherwise they would fold most of it before anything breaks.
        """
        living = [self.workers[index] for index in self._living()]
        for worker in living:
            worker.freeze()
        self.store.append(BACKLOG_EVENTS, transaction=100, aborted=0.2)
        for worker in living:
            worker.thaw()
        self.done["events"] += BACKLOG_EVENTS

    def _living(self) -> list[int]:
        return [index for index, worker in self.workers.items() if worker.process.poll() is None]

    def _settled(self, index: int) -> int:
        """Wait until a worker is ready or has ended."""
        worker = self.workers[index]
        eventually(lambda: worker.process.poll() is not None or worker.ready_file.exists())
        return index

    def kill(self, start: Starter) -> None:
        """Kill one or both workers at any time, also during a start."""
        living = self._living()
        for index in self.random.sample(living, min(len(living), self.random.choice([1, 2]))):
            self._kill(self._settled(index) if self.random.random() < 0.7 else index)
            self.write()

    def _kill(self, index: int) -> None:
        if self.workers[index].process.poll() is None:
            self.done["killed at random"] += 1
            self.workers[index].kill()
            self._doomed.pop(index, None)
        else:
            self._bury(index)
        del self.workers[index]

    def die_in_the_window(self, start: Starter) -> None:
        """Make a worker die around a write or a commit."""
        index = self.random.choice(self._living())
        self._kill(index)
        if not self._places:
            self._places = self.random.sample(sorted(PLACES), len(PLACES))
        place = self._places.pop()
        passing = self.random.randrange(1, 4) if place != "after-claim" else 1
        worker = self.workers[index] = start(index, f"{self._faults()} die:{place}:{passing}")
        self._doomed[index] = place
        self.write()
        # A worker without events does not pass that place
        eventually(lambda: worker.process.poll() is not None or lag(self.settings) == 0)

    def freeze(self, start: Starter) -> None:
        """Freeze a worker beyond its session while the other one continues."""
        worker = self.workers[self.random.choice(self._living())]
        worker.freeze()
        self.store.append(100, aborted=0.2)
        # Meanwhile the other worker, if there is one, takes its partitions and catches up
        self.settle(start)
        worker.thaw()
        self.done["frozen"] += 1

    def stop(self, start: Starter) -> None:
        """Stop a worker cleanly."""
        index = self._settled(self.random.choice(self._living()))
        code = self.workers.pop(index).stop()
        self._doomed.pop(index, None)
        assert code in (0, 1, -signal.SIGKILL), code
        self.done["stopped"] += 1

    def restart_kafka(self, start: Starter) -> None:
        """Kill the broker and start it again."""
        self.kafka.kill()
        self.kafka = Kafka(self.kafka.node, os.environ)
        self.store.come_back()
        self.done["Kafka killed"] += 1

    def lose(self, start: Starter) -> None:
        """Lose the changelog while no worker runs."""
        for index in list(self.workers):
            self._kill(index)
        lose_changelog(self.settings)
        self.done["changelog lost"] += 1


@click.command()
@click.option("--kills", default=100, show_default=True, help="Workers to kill.")
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Damage the projector in every way, and check its table after each."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        node = Node(home=folder / "kafka", port=free_port(), durability="os")
        run = Run(Kafka(node, os.environ), folder, seed)
        try:
            with crew_of(run.settings) as crew:
                while run.kills < kills:
                    run.round(crew.start)
                    click.echo(f"\r{run.kills} of {kills} kills", nl=False, err=True)
        except AssertionError:
            run.show()
            raise
        finally:
            run.kafka.kill()
            click.echo("", err=True)
            for what, count in sorted({**run.done, "killed": run.kills}.items()):
                click.echo(f"{what:24} {count:>8,}")
    click.echo("every comparison was exact")


if __name__ == "__main__":
    main()
