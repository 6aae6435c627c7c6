"""Three gateways in a fixed order: two pass commands on to the third, which is frozen and does not answer."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eventstore.partitions import partition_of
from eventstore.state.outcomes import OutcomeUnknown, submit
from foundation.settings import PREFIX, Settings
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from library.process.die_with_parent import dying_with_me
from producer.gateway.responses import parse_response
from tests.chaos.checker import Checker, logged
from tests.chaos.history import Recorder, as_json, read
from tests.chaos.mutants import FORWARDING_MUTANT
from tests.chaos.scenario import SCENE
from tests.support.producer.gateway_process import GatewayProcess
from tests.support.producer.writer_calls import ISBN, committed_records
from tests.support.waiting import LIMIT_S, eventually

PARTITIONS = 3
ROOT = Path(__file__).parents[2]


class MutantGateway(GatewayProcess):
    """A gateway that forwards as a mutant does, or with an empty name as it should."""

    def __init__(self, settings: Settings, mutant: str) -> None:
        super().__init__(settings)
        self._mutant = mutant

    def launch(self) -> None:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        told = {
            f"{PREFIX}{name.upper()}": str(getattr(self.settings, name))
            for name in Settings.__struct_fields__
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                dying_with_me([sys.executable, "-m", "tests.chaos.short_timeouts", "3", "gateway"]),
                env=kept | told | {FORWARDING_MUTANT: self._mutant},
                cwd=ROOT,
                stderr=log,
            )

    @property
    def partitions(self) -> list[int]:
        """Those that it has."""
        partitions: list[int] = self.client.get("/readyz").json()["partitions"]
        return partitions


@contextmanager
def gateways_of(settings: Settings, mutant: str) -> Iterator[Sequence[MutantGateway]]:
    """Three gateways with a partition each; the first has the one of ``ISBN``."""
    gateways = [MutantGateway(settings, mutant) for _ in range(PARTITIONS)]
    try:
        for gateway in gateways:
            gateway.start()
        eventually(lambda: sorted(gateway.partitions for gateway in gateways) == [[0], [1], [2]])
        yield sorted(gateways, key=lambda gateway: partition_of(ISBN, PARTITIONS) not in gateway.partitions)
    finally:
        for gateway in gateways:
            gateway.client.close()
            if gateway.process is not None:
                gateway.process.kill()
                gateway.process.wait(LIMIT_S)


def play_forwarding(settings: Settings, mutant: str, folder: Path) -> Checker:
    """Play the scene in a system with ``PARTITIONS`` partitions; return the checker with its violations."""
    recorder = Recorder(folder / SCENE)

    def post(gateway: MutantGateway, command_id: str, command: Command) -> None:
        one = submit(command_id, command)
        recorder.called(command_id, as_json(command))
        answer = gateway.post(one.command, command_id)
        outcome = parse_response(answer.status_code, answer.headers, answer.content, command_id)
        recorder.returned(command_id, outcome or OutcomeUnknown(f"status {answer.status_code}"))

    with gateways_of(settings, mutant) as (owner, second, third):
        post(second, "add", AddBook(ISBN, "Title", "Author", 2))
        owner.freeze()
        # One of these is the other's substitute for the owner
        post(second, "first", BorrowBook(ISBN, "ann"))
        post(third, "second", BorrowBook(ISBN, "bob"))
        owner.thaw()
        post(owner, "return", ReturnBook(ISBN, "ann"))
    log = [
        logged(message)
        for partition in range(PARTITIONS)
        for message in committed_records(settings, partition)
    ]
    checker = Checker(log, read([folder / SCENE]).calls)
    checker.check()
    return checker
