"""The system continues: processes killed while it is written, Kafka frozen."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest

from eventstore.state.outcomes import Accepted, Receipt
from foundation.cli import exits
from foundation.http.client import Service
from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from producer.client import execute
from producer.gateway.sharing.membership import SESSION_TIMEOUT_MS
from tests.support.library.installed_system import System
from tests.support.waiting import eventually
from tests.system.end_to_end.expected_state import assert_as_folded

pytestmark = pytest.mark.slow

NewIsbn = Callable[[], str]


def written(system: System, isbn: str, rounds: int) -> list[Receipt]:
    """A title that is added, and lent and returned ``rounds`` times; every receipt."""
    commands: list[Command] = [AddBook(isbn, "T", "A", 3)]
    for number in range(rounds):
        commands += [BorrowBook(isbn, f"user{number}"), ReturnBook(isbn, f"user{number}")]
    settings = system.settings
    receipts = []
    for number, command in enumerate(commands):
        outcome = execute(settings, f"{isbn}-{number}", command)
        assert isinstance(outcome, Accepted), outcome
        receipts.append(outcome.receipt)
    return receipts


def wait_until_shown(system: System, receipts: list[Receipt]) -> None:
    """Until the API has come to the last event of each title."""

    def ready() -> bool:
        try:
            return all(
                system.get(f"/inventory/{receipt.stream}", after=receipt.position).status == 200
                for receipt in receipts
            )
        except (OSError, HTTPException):
            return False

    eventually(ready)


def test_projector_and_api_are_killed_during_a_thousand_writes(system: System, new_isbn: NewIsbn) -> None:
    writing = threading.Event()

    def write(isbn: str) -> list[Receipt]:
        writing.set()
        return written(system, isbn, 31)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, new_isbn()) for _ in range(16)]
        writing.wait(30)
        for name in ("projector", "api", "projector", "api"):
            system.kill(name)
        receipts = [future.result(120) for future in running]
    assert sum(len(receipt) for receipt in receipts) == 16 * 63
    wait_until_shown(system, [title[-1] for title in receipts])
    for title in receipts:
        assert [receipt.events[0].version for receipt in title] == list(range(1, 64))
    assert_as_folded(system)


def test_while_kafka_is_frozen_commands_end_and_the_api_answers(system: System, new_isbn: NewIsbn) -> None:
    isbn, other = new_isbn(), new_isbn()
    position = system.receipt("add", isbn, "T")["position"]
    before, kafka = system.run.processes, system.pid("kafka")
    os.kill(kafka, signal.SIGSTOP)
    thawed_at = time.monotonic() + 1 + SESSION_TIMEOUT_MS / 1000
    try:
        for command in (("borrow", isbn, "ann"), ("add", other, "T")):
            done = system.library(*command, "--timeout", "2")
            assert done.returncode in (exits.UNAVAILABLE, exits.UNKNOWN), done.stderr
            assert done.stderr.startswith("Error: ")
            assert "Traceback" not in done.stderr
        with Service(system.settings.api, 30) as api:
            answer = api.get(("inventory", isbn), {})
        assert (answer.status, answer.value["version"]) == (200, 1)
        partition, offset = position.split(":")
        reached = dict(place.split(":") for place in answer.headers["Inventory-Position"].split(","))
        assert int(reached[partition]) >= int(offset)
        assert "position" in system.get("/readyz").value
        # Then Kafka itself has lost its session with its controller, and names no broker for a moment
        eventually(lambda: time.monotonic() > thawed_at)
    finally:
        os.kill(kafka, signal.SIGCONT)
    system.receipt("add", isbn, "T", "--command-id", f"again-{isbn}")
    eventually(lambda: system.get("/readyz").value["ready"])
    wait_until_shown(system, written(system, new_isbn(), 1))
    assert_as_folded(system)
    assert system.run.processes == before, "none of them has ended"
    assert "nothing new can be read" in system.done("logs", "api")
