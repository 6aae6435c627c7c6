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
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.isbn import in_house
from library.process.die_with_parent import dying_with_me
from library.process.ports import free_port
from producer.writers import binding
from schemas.topics import ensure_topics, names_topic
from tests.chaos.actor import Role
from tests.chaos.brokers import Brokers
from tests.chaos.checker import Checker, logged
from tests.chaos.ending import forget_everybody, traces_of
from tests.chaos.hanging import hanging_transactions
from tests.chaos.history import Recorder, read
from tests.chaos.history_file import write_history
from tests.chaos.intruder import Intruder
from tests.chaos.mutants import FORWARDING_MUTANT
from tests.chaos.names_checker import NamesChecker
from tests.chaos.names_log import name_records, named, users_of
from tests.chaos.patron_desk import USERS
from tests.chaos.plan import Plan, Report
from tests.chaos.projectors import FIRST, SECOND, Projectors
from tests.chaos.short_timeouts import patience
from tests.support.producer.named_store import keep_names_apart, records
from tests.support.producer.writer_calls import committed_records
from tests.support.waiting import eventually

PROGRAMS = ("gateway", "import", "api", "projector")
"""Kinds of processes that are the product's programs; the others are actors."""
APIS = 2
NOWHERE = "http://127.0.0.2:1"
ROOT = Path(__file__).parents[2]
ENDING = 45.0
"""Limit for clients to end after the run, in seconds."""


def kind_of(name: str) -> str:
    """The kind of process, as ``gateway`` of ``gateway-2``."""
    return name.partition("-")[0]


def number_of(name: str) -> int:
    """The number of a process among those of its kind."""
    return int(name.partition("-")[2])


class Run:
    """One run of a new system on brokers that may be killed.

    ``history``, where given, is the file for everything that the clients recorded.
    """

    def __init__(self, plan: Plan, brokers: Brokers, folder: Path, history: Path | None = None) -> None:
        self.plan, self.brokers, self.folder, self.history = plan, brokers, folder, history
        self.random = random.Random(plan.seed)
        self.done_to: Counter[str] = Counter()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.frozen: dict[str, float] = {}
        self.gateway_ports = [free_port() for _ in range(plan.gateways)]
        self.api_ports = [free_port() for _ in range(APIS)]
        self.settings = Settings(
            kafka=brokers.bootstrap,
            replication=brokers.count,
            name=f"chaos-{uuid4().hex[:8]}",
            partitions=plan.partitions,
            data_dir=str(folder),
            api=f"http://127.0.0.1:{self.api_ports[0]}",
            gateway="",
        )
        ensure_topics(AdminClient(client_config(self.settings)), self.settings)
        keep_names_apart(self.settings)
        self.bound_to = binding(self.settings)
        self.intruder = Intruder(self.settings, patience(plan.transaction_timeout), self.random, self.done_to)
        self.imported = [in_house(number) for number in range(plan.import_titles)]
        self.projectors = Projectors(
            self.settings, self.processes, self.frozen, self._start, self._thaw, self.done_to
        )
        self.stop = folder / "stop"

    def live(self) -> Report:
        """Run the plan and check the result. The time counts from the moment when all clients are at work."""
        plan = self.plan
        self._write_catalogue()
        try:
            for name in self._names():
                self._start(name)
            eventually(self._all_work)
            begun = time.monotonic()
            self.until = begun + plan.seconds
            damages = self._spread(plan.broker_kills)
            replays = self._spread(plan.replays if plan.readers else 0)
            switches = self._spread(plan.switches if plan.readers else 0)
            while time.monotonic() < self.until:
                time.sleep(self.random.uniform(0.05, 0.4))
                self.brokers.repair()
                if damages and time.monotonic() > damages[0]:
                    damages.pop(0)
                    self.done_to[self.brokers.damage(self.random)] += 1
                if replays and time.monotonic() > replays[0]:
                    replays.pop(0)
                    self.brokers.heal()
                    self.projectors.replay()
                if switches and time.monotonic() > switches[0]:
                    switches.pop(0)
                    self.brokers.heal()
                    # A switch waits for the end of the events, which an open transaction hides
                    self.intruder.leave()
                    self.projectors.switch()
                self._thaw()
                self._restart()
                self.intruder.intrude()
                self._harm()
            self.stop.touch()
            self._end()
        finally:
            for process in self.processes.values():
                process.kill()
                process.wait()
        return self._checked(time.monotonic() - begun)

    def _spread(self, count: int) -> list[float]:
        """Moments that divide the run into equal parts."""
        seconds = self.plan.seconds
        return [self.until - seconds * part / (count + 1) for part in range(count, 0, -1)]

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
        if plan.readers:
            names += [FIRST, *(f"api-{n}" for n in range(APIS))]
            names += [f"reader-{n}" for n in range(plan.readers)]
        return names + (["import"] if plan.import_titles else [])

    def _start(self, name: str) -> None:
        kind = kind_of(name)
        if kind in PROGRAMS:
            arguments = ["-m", *self._program(name)]
        else:
            role = Role(
                self._settings_of(name),
                {"client": "gateway", "reader": "gateway"}.get(kind, kind),
                name,
                str(self.folder),
                self.random.getrandbits(32),
                str(self.stop),
                self.plan.transaction_timeout,
                self.bound_to,
                self.plan.sizes,
                self.plan.mutant,
                tuple(f"http://127.0.0.1:{port}" for port in self.api_ports) if kind == "reader" else (),
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
        """The settings of a client: every other one of the gateways' knows them all, its own first."""
        if kind_of(name) not in ("client", "reader"):
            return self.settings
        first = number_of(name) % len(self.gateway_ports)
        ports = self.gateway_ports[first:] + self.gateway_ports[:first]
        known = ports if kind_of(name) == "client" and number_of(name) % 2 else ports[:1]
        return msgspec.structs.replace(
            self.settings, gateway=",".join(f"http://127.0.0.1:{port}" for port in known)
        )

    def _program(self, name: str) -> list[str]:
        hurried = ["tests.chaos.short_timeouts", str(self.plan.transaction_timeout)]
        match kind_of(name):
            case "gateway":
                return [*hurried, "gateway", "--gateway-port", str(self.gateway_ports[number_of(name)])]
            case "import":
                return [*hurried, "import", str(self.folder / "catalogue.csv")]
            case "api":
                return ["query_api", "--port", str(self.api_ports[number_of(name)])]
            case _:
                table = ["--table", "newest"] if name == SECOND else []
                number = str(number_of(name))
                return ["tests.support.projector.faulty_projector", "--index", number, *table]

    def _environment(self, name: str) -> dict[str, str]:
        own = {
            "LIBRARY_KAFKA": self.settings.kafka,
            "LIBRARY_NAME": self.settings.name,
            "LIBRARY_PARTITIONS": str(self.settings.partitions),
            "LIBRARY_DATA_DIR": self.settings.data_dir,
            FORWARDING_MUTANT: self.plan.mutant,
            # A killed projector leaves its group after this time instead of 30 s
            "LIBRARY_TEST_FAULTS": "session:6",
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
            if code < 0 and code != -signal.SIGKILL:
                # Nobody sends such a signal: its log is all there is to find the cause
                lines = (self.folder / f"{name}.log").read_text("utf-8", errors="replace").splitlines()
                print(f"{name} ended with {code}:", *lines[-40:], sep="\n", file=sys.stderr)
            self._start(name)

    def _harm(self) -> None:
        name, chance = self.random.choice(list(self.processes)), self.random.random() / self.plan.harm
        process = self.processes[name]
        if name in self.frozen or process.poll() is not None:
            return
        # The projector's own chaos kills it; here it has to go on, otherwise readers are shown nothing
        if chance < 0.2 and kind_of(name) != "projector":
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

    def _end(self) -> None:
        """Wait for all processes: clients end, the import completes, the gateway stops."""
        self._thaw(all_of_them=True)
        self.brokers.heal()
        self.intruder.leave()
        limit = time.monotonic() + ENDING
        for name, process in self.processes.items():
            if kind_of(name) not in PROGRAMS:
                process.wait(max(1.0, limit - time.monotonic()))
        if "import" in self.processes:
            for _ in range(3):
                if self.processes["import"].wait(ENDING) == 0:
                    break
                self._start("import")
        programs = [
            p for name, p in self.processes.items() if kind_of(name) in ("gateway", "api", "projector")
        ]
        for program in programs:
            program.terminate()
        for program in programs:
            program.wait(ENDING)
        forget_everybody(self.settings, Recorder(self.folder / "ending.jsonl"))

    def _write_catalogue(self) -> None:
        with (self.folder / "catalogue.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["isbn", "title", "author", "quantity"])
            rows.writerows([isbn, f"Title {n}", "Author", 1] for n, isbn in enumerate(self.imported))

    def _checked(self, seconds: float) -> Report:
        begun = time.monotonic_ns()
        log = [
            logged(message)
            for partition in range(self.plan.partitions)
            for message in committed_records(self.settings, partition)
        ]
        log_read = (begun, time.monotonic_ns())
        names = name_records(records(self.settings, names_topic(self.settings)))
        recorded = read(self.folder.glob("*.jsonl"))
        calls = recorded.calls
        if self.history is not None:
            header = {"seed": self.plan.seed, "brokers": self.brokers.count, "mutant": self.plan.mutant}
            header |= {"seconds": round(seconds, 1), "done_to": dict(self.done_to)}
            write_history(self.history, header, recorded, log, log_read)
        users = users_of(names)
        forgotten = {one.token for one in names if one.kind == "forgotten"}
        checker = Checker(named(log, users), calls, self.imported, self.intruder.long_ones, forgotten)
        violations = checker.check()
        epoch_ns = time.time_ns() - time.monotonic_ns()
        of_names = NamesChecker(checker, names, recorded.patrons, epoch_ns)
        of_names.check()
        of_names.require_nobody()
        for trace in traces_of(self.settings, USERS):
            checker.bad("a user id where there may be none", trace)
        if hanging := hanging_transactions(self.settings):
            violations["a transaction that Kafka finds hanging"] = len(hanging)
            checker.examples["a transaction that Kafka finds hanging"] = hanging
        both = (*calls.values(), *recorded.patrons.values())
        outcomes = Counter(one.what for call in both for one in call.returns)
        return Report(
            self.plan.seed,
            self.plan.mutant,
            round(seconds, 1),
            len(both) + len(self.imported),
            len(log),
            len(recorded.reads),
            len(recorded.patrons),
            len(forgotten),
            dict(outcomes),
            dict(self.done_to),
            dict(violations),
            {what: str(example)[:600] for what, example in checker.examples.items()},
        )
