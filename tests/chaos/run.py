"""A chaos run: clients of all kinds against few titles, while processes are killed and frozen.

``make chaos`` runs it for minutes, with all mutants; a short one is among the tests. The same seed gives the
same plan; how processes meet is up to the machine.
"""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.isbn import in_house
from library.process.die_with_parent import dying_with_me
from library.process.ports import free_port
from producer.writers import binding
from schemas.topics import ensure_topics
from tests.chaos.actor import Role
from tests.chaos.checker import Checker, logged
from tests.chaos.history import read
from tests.chaos.mutants import FORWARDING_MUTANT
from tests.chaos.short_timeouts import patience
from tests.support.embedded_kafka import Kafka
from tests.support.producer.writer_calls import committed_records, foreign_producer
from tests.support.waiting import eventually

PROGRAMS = ("gateway", "import")
"""Kinds of processes that are the product's programs; the others are actors."""
NOWHERE = "http://127.0.0.1:1"
ROOT = Path(__file__).parents[2]
ENDING = 45.0
"""Limit for clients to end after the run, in seconds."""


def kind_of(name: str) -> str:
    """The kind of process, as ``gateway`` of ``gateway-2``."""
    return name.partition("-")[0]


def number_of(name: str) -> int:
    """The number of a process among those of its kind."""
    return int(name.partition("-")[2])


class Plan(Struct, frozen=True):
    """Participants, duration and damage of a run."""

    seed: int
    seconds: float
    long: int = 3
    oneshots: int = 2
    gateways: int = 3
    gateway_clients: int = 3
    cut_off: bool = False
    """Whether the others can't reach the last gateway."""
    import_titles: int = 2000
    partitions: int = 2
    broker_kills: int = 0
    transaction_timeout: float = 3.0
    pauses: tuple[float, ...] = (0.3, 1.0, 5.0)
    sizes: tuple[int, ...] = (1, 1, 2, 5, 20, 100)
    mutant: str = ""


class Report(Struct, frozen=True):
    """Events of a run, and the checker's violations."""

    seed: int
    mutant: str
    seconds: float
    commands: int
    events: int
    outcomes: dict[str, int]
    done_to: dict[str, int]
    violations: dict[str, int]
    examples: dict[str, str]


class Run:
    """One run of a new system on a broker that may be killed."""

    def __init__(self, plan: Plan, kafka: Kafka, folder: Path) -> None:
        self.plan, self.kafka, self.folder = plan, kafka, folder
        self.random = random.Random(plan.seed)
        self.done_to: Counter[str] = Counter()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.frozen: dict[str, float] = {}
        self.settings = Settings(
            kafka=kafka.bootstrap,
            name=f"chaos-{uuid4().hex[:8]}",
            partitions=plan.partitions,
            data_dir=str(folder),
            gateway="",
        )
        self.gateway_ports = [free_port() for _ in range(plan.gateways)]
        ensure_topics(AdminClient(client_config(self.settings)), self.settings)
        self.bound_to = binding(self.settings)
        self.intruder = foreign_producer(self.settings, f"intruder-{self.settings.name}")
        self.intruding_until = 0.0
        self.intruding_since = 0
        self.intruded: list[tuple[int, int]] = []
        self.imported = [in_house(number) for number in range(plan.import_titles)]
        self.stop = folder / "stop"

    def live(self) -> Report:
        """Run the plan and check the result. The time counts from the moment when all clients are at work."""
        self._write_catalogue()
        try:
            for name in self._names():
                self._start(name)
            eventually(self._all_work)
            begun = time.monotonic()
            self.until = begun + self.plan.seconds
            kills = [
                begun + self.plan.seconds * (n + 1) / (self.plan.broker_kills + 1)
                for n in range(self.plan.broker_kills)
            ]
            while time.monotonic() < self.until:
                time.sleep(self.random.uniform(0.05, 0.4))
                if kills and time.monotonic() > kills[0]:
                    kills.pop(0)
                    self._kill_broker()
                self._thaw()
                self._restart()
                self._intrude()
                self._harm()
            self.stop.touch()
            self._end()
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
        return self._checked(time.monotonic() - begun)

    def _all_work(self) -> bool:
        """Whether each client has opened its record."""
        clients = [name for name in self._names() if kind_of(name) not in PROGRAMS]
        return all((self.folder / f"{name}.jsonl").exists() for name in clients)

    def _names(self) -> list[str]:
        plan = self.plan
        names = [f"long-{n}" for n in range(plan.long)] + [f"oneshot-{n}" for n in range(plan.oneshots)]
        if plan.gateway_clients:
            names += [f"gateway-{n}" for n in range(plan.gateways)]
            names += [f"client-{n}" for n in range(plan.gateway_clients)]
        return names + (["import"] if plan.import_titles else [])

    def _start(self, name: str) -> None:
        kind = kind_of(name)
        if kind in PROGRAMS:
            arguments = [
                "-m",
                "tests.chaos.short_timeouts",
                str(self.plan.transaction_timeout),
                *self._program(name),
            ]
        else:
            role = Role(
                self._settings_of(name),
                {"client": "gateway"}.get(kind, kind),
                name,
                str(self.folder),
                self.random.getrandbits(32),
                str(self.stop),
                self.plan.transaction_timeout,
                self.bound_to,
                self.plan.sizes,
                self.plan.mutant,
            )
            arguments = ["-m", "tests.chaos.actor", msgspec.json.encode(role).decode()]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                dying_with_me([sys.executable, *arguments]),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(name),
            )

    def _settings_of(self, name: str) -> Settings:
        """The settings of a client: those of the gateway have one each."""
        if kind_of(name) != "client":
            return self.settings
        port = self.gateway_ports[number_of(name) % len(self.gateway_ports)]
        return msgspec.structs.replace(self.settings, gateway=f"http://127.0.0.1:{port}")

    def _program(self, name: str) -> list[str]:
        if kind_of(name) == "gateway":
            return ["gateway", "--gateway-port", str(self.gateway_ports[number_of(name)])]
        return ["import", str(self.folder / "catalogue.csv")]

    def _environment(self, name: str) -> dict[str, str]:
        own = {
            "LIBRARY_KAFKA": self.settings.kafka,
            "LIBRARY_NAME": self.settings.name,
            "LIBRARY_PARTITIONS": str(self.settings.partitions),
            "LIBRARY_DATA_DIR": self.settings.data_dir,
            FORWARDING_MUTANT: self.plan.mutant,
        }
        if self.plan.cut_off and name == f"gateway-{self.plan.gateways - 1}":
            own["LIBRARY_ADVERTISE"] = NOWHERE
        return {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")} | own

    def _restart(self) -> None:
        """Restart ended processes, except a finished import."""
        for name, process in list(self.processes.items()):
            code = process.poll()
            if code is None or (name == "import" and code == 0):
                continue
            if code == -signal.SIGKILL:
                self.done_to["killed themselves at a step"] += 1
            elif time.monotonic() < self.until - 1:
                self.done_to[f"{kind_of(name)} ended with {code}"] += 1
            self._start(name)

    def _harm(self) -> None:
        name, chance = self.random.choice(list(self.processes)), self.random.random()
        process = self.processes[name]
        if name in self.frozen or process.poll() is not None:
            return
        if chance < 0.2:
            process.kill()
            process.wait()
            self.done_to["killed"] += 1
            self._start(name)
        elif chance < 0.4 and self.plan.pauses and len(self.frozen) < len(self.processes) // 2:
            pause = self.random.choice(self.plan.pauses)
            process.send_signal(signal.SIGSTOP)
            self.frozen[name] = time.monotonic() + pause
            self.done_to["paused"] += 1
            if pause > self.plan.transaction_timeout:
                self.done_to["of them beyond the transaction time-out"] += 1

    def _thaw(self, *, all_of_them: bool = False) -> None:
        for name, until in list(self.frozen.items()):
            if all_of_them or time.monotonic() > until:
                self.processes[name].send_signal(signal.SIGCONT)
                del self.frozen[name]

    def _intrude(self) -> None:
        """Keep a foreign transaction open for a while, then abort it."""
        try:
            if self.intruding_until and time.monotonic() > self.intruding_until:
                self.intruding_until = 0.0
                self.intruder.abort_transaction(5)
                self._intruded()
            elif not self.intruding_until and self.random.random() < 0.1:
                self.intruding_since = time.monotonic_ns()
                self.intruder.begin_transaction()
                partition = self.random.randrange(self.plan.partitions)
                self.intruder.produce(events_topic(self.settings), b"", b"intruder", partition)
                self.intruder.flush(5)
                self.intruding_until = time.monotonic() + self.random.uniform(0.1, 1.0)
                self.done_to["foreign transactions"] += 1
        except KafkaException:
            self.intruding_until = 0.0
            self.intruder = foreign_producer(self.settings, f"intruder-{self.settings.name}")
            self._intruded()

    def _intruded(self) -> None:
        """Record the interval in which a foreign transaction outlasted the writers' patience."""
        since = self.intruding_since + int(patience(self.plan.transaction_timeout) * 1e9)
        if since < (until := time.monotonic_ns()):
            self.done_to["of them long ones"] += 1
            self.intruded.append((since, until))

    def _kill_broker(self) -> None:
        self.kafka.kill()
        self.done_to["broker killed"] += 1
        self.kafka = Kafka(self.kafka.node, os.environ)

    def _end(self) -> None:
        """Wait for all processes: clients end, the import completes, the gateway stops."""
        self._thaw(all_of_them=True)
        if self.intruding_until:
            self.intruder.abort_transaction(10)
            self._intruded()
        limit = time.monotonic() + ENDING
        for name, process in self.processes.items():
            if kind_of(name) not in PROGRAMS:
                process.wait(max(1.0, limit - time.monotonic()))
        if "import" in self.processes:
            for _ in range(3):
                if self.processes["import"].wait(ENDING) == 0:
                    break
                self._start("import")
        gateways = [process for name, process in self.processes.items() if kind_of(name) == "gateway"]
        for gateway in gateways:
            gateway.terminate()
        for gateway in gateways:
            gateway.wait(ENDING)

    def _write_catalogue(self) -> None:
        with (self.folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["isbn", "title", "author", "quantity"])
            rows.writerows([isbn, f"Title {n}", "Author", 1] for n, isbn in enumerate(self.imported))

    def _checked(self, seconds: float) -> Report:
        log = [
            logged(message)
            for partition in range(self.plan.partitions)
            for message in committed_records(self.settings, partition)
        ]
        calls = read(self.folder.glob("*.jsonl"))
        checker = Checker(log, calls, self.imported, self.intruded)
        violations = checker.check()
        outcomes = Counter(one.what for call in calls.values() for one in call.returns)
        return Report(
            self.plan.seed,
            self.plan.mutant,
            round(seconds, 1),
            len(calls) + len(self.imported),
            len(log),
            dict(outcomes),
            dict(self.done_to),
            dict(violations),
            {what: str(example)[:600] for what, example in checker.examples.items()},
        )
