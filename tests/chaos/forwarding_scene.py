"""Three gateways in a fixed order: they pass commands on to one that is frozen, and to one that dies."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

from eventstore.partitions import partition_of
from eventstore.state.outcomes import OutcomeUnknown
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from producer.gateway.responses import parse_response
from tests.chaos.checker import Checker, logged
from tests.chaos.history import Recorder, as_json, read
from tests.chaos.mutants import FORWARDING_MUTANT
from tests.chaos.scenario import SCENE
from tests.support.producer.gateway_process import GatewayProcess
from tests.support.producer.writer_calls import ISBN, committed_records, title_in
from tests.support.waiting import LIMIT_S, eventually

PARTITIONS = 3


class MutantGateway(GatewayProcess):
    """A gateway that forwards as a mutant does, or with an empty name as it should."""

    command = ("-m", "tests.chaos.short_timeouts", "3", "gateway")

    def __init__(self, settings: Settings, mutant: str) -> None:
        super().__init__(settings, **{FORWARDING_MUTANT: mutant})


def have_one_each(gateways: Sequence[MutantGateway]) -> bool:
    """Whether each gateway has one partition."""
    return sorted(gateway.partitions for gateway in gateways) == [[0], [1], [2]]


@contextmanager
def gateways_of(settings: Settings, mutant: str) -> Iterator[Sequence[MutantGateway]]:
    """Three gateways with a partition each; the first has the one of ``ISBN``."""
    gateways = [MutantGateway(settings, mutant) for _ in range(PARTITIONS)]
    try:
        for gateway in gateways:
            gateway.start()
        eventually(lambda: have_one_each(gateways))
        yield sorted(gateways, key=lambda gateway: partition_of(ISBN, PARTITIONS) not in gateway.partitions)
    finally:
        for gateway in gateways:
            gateway.client.close()
            if gateway.process is not None:
                gateway.process.kill()
                gateway.process.wait(LIMIT_S)


class Caller:
    """Sends commands to gateways and records the outcomes."""

    def __init__(self, folder: Path) -> None:
        self._recorder = Recorder(folder / SCENE)

    def post(self, gateway: MutantGateway, command_id: str, command: Command) -> None:
        """Send a command, and wait for its outcome."""
        self._recorder.called(command_id, as_json(command))
        answer = gateway.post(command, command_id)
        outcome = parse_response(answer.status_code, answer.headers, answer.content, command_id)
        self._recorder.returned(command_id, outcome or OutcomeUnknown(f"status {answer.status_code}"))

    @contextmanager
    def giving_up(self, gateway: MutantGateway, command_id: str, command: Command) -> Iterator[None]:
        """Send a command that is passed on, and do not wait for its outcome; it is there when this ends."""
        before = gateway.forwarded("answered")
        self._recorder.called(command_id, as_json(command))
        with ThreadPoolExecutor(1) as thread:
            request = thread.submit(gateway.post, command, command_id)
            eventually(lambda: gateway.forwarded("answered") > before)
            self._recorder.returned(command_id, OutcomeUnknown("the caller has gone"))
            yield
            request.result(LIMIT_S)


def play_forwarding(settings: Settings, mutant: str, folder: Path) -> Checker:
    """Play the scene in a system with ``PARTITIONS`` partitions; return the checker with its violations."""
    caller = Caller(folder)
    with gateways_of(settings, mutant) as (owner, second, third):
        caller.post(second, "add", AddBook(ISBN, "Title", "Author", 2))
        owner.freeze()
        # One of these is the other's substitute for the owner
        caller.post(second, "first", BorrowBook(ISBN, "ann"))
        caller.post(third, "second", BorrowBook(ISBN, "bob"))
        owner.thaw()
        caller.post(owner, "return", ReturnBook(ISBN, "ann"))
        eventually(lambda: have_one_each([owner, second, third]))
        _repeat_what_waits(caller, second, third)
    log = [
        logged(message)
        for partition in range(PARTITIONS)
        for message in committed_records(settings, partition)
    ]
    checker = Checker(log, read([folder / SCENE]).calls)
    checker.check()
    return checker


def _repeat_what_waits(caller: Caller, owner: MutantGateway, other: MutantGateway) -> None:
    """A caller gives a command up that waits for a gateway that dies, and repeats it at once: it is refused.

    What was given up could be accepted a second later, when there is a loan.
    """
    (partition,) = owner.partitions
    isbn = title_in(partition, PARTITIONS)
    caller.post(other, "add another", AddBook(isbn, "Title", "Author", 1))
    give_back = ReturnBook(isbn, "ann")
    owner.freeze()
    with caller.giving_up(other, "give back", give_back):
        owner.end(SIGKILL)
        caller.post(other, "give back", give_back)
        caller.post(other, "lend", BorrowBook(isbn, "ann"))
