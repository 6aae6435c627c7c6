"""One command carried out from a process that is only there for it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import uuid4

import msgspec
import pytest

from eventstore.state.outcomes import Outcome, OutcomeUnknown, Refused, Reused
from foundation.settings import Settings
from inventory.commands import AddBook, AddCopies, BorrowBook, Command, ReturnBook, checked
from inventory.rules import Rejection
from library.process.ports import free_port
from producer.client import execute
from tests.support import http_server
from tests.support.producer.concurrent_callers import Callers
from tests.support.producer.gateway_process import GatewayProcess, running_gateway
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    OTHER,
    accepted,
    event_types,
    history,
    refused,
)
from tests.support.waiting import eventually


def submit(
    settings: Settings, what: Command, command_id: str | None = None, carried: dict[str, str] | None = None
) -> Outcome:
    """The outcome of a command, with an id of its own unless one is given."""
    return execute(settings, command_id or uuid4().hex, checked(what), carried)


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    """A system with one partition, and no gateway."""
    return new_settings(partitions=1, gateway="", deadline=30)


@pytest.fixture
def gateway(store: Settings) -> Iterator[GatewayProcess]:
    """A gateway of that system."""
    with running_gateway(store) as running:
        yield running


def answered(gateway: GatewayProcess) -> int:
    """How many commands it was asked to carry out."""
    lines = gateway.client.get("/metrics").text.splitlines()
    return sum(
        int(float(line.split()[1])) for line in lines if line.startswith("library_gateway_answers_total")
    )


def test_a_client_without_a_gateway_appends_directly(store: Settings):
    first = accepted(submit(store, ADD, "key"))
    assert first.receipt.events[0].type == "BookAdded"
    again = accepted(submit(store, ADD, "key"))
    assert (again.receipt, again.replayed) == (first.receipt, True)
    assert refused(submit(store, ReturnBook(ISBN, "ann"))) == "not_on_loan"
    assert isinstance(submit(store, AddCopies(ISBN, 1), "key"), Reused)


def test_a_client_uses_a_gateway_if_there_is_one(gateway: GatewayProcess):
    settings = gateway.settings
    first = accepted(submit(settings, ADD, "klíč 1/ř"))
    again = accepted(submit(settings, ADD, "klíč 1/ř"))
    assert (again.receipt, again.replayed) == (first.receipt, True)
    assert accepted(submit(settings, ADD)).receipt.events == ()
    assert isinstance(submit(settings, AddCopies(ISBN, 1), "klíč 1/ř"), Reused)
    for user in ("ann", "bob"):
        accepted(submit(settings, BorrowBook(ISBN, user)))
    outcome = submit(settings, ReturnBook(ISBN))
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.rejection, Rejection)
    assert outcome.rejection.borrowers == ("ann", "bob")
    assert answered(gateway) == 7


def test_caller_headers_reach_the_event_with_and_without_a_gateway(store: Settings, gateway: GatewayProcess):
    carried = {
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "correlation_id": "přepážka",
        "causation_id": "scan 7",
        "client_time": "2026-03-01T12:00:00+01:00",
    }
    accepted(submit(store, ADD, "a", carried))
    accepted(submit(gateway.settings, AddCopies(ISBN, 1), "b", carried))
    for event in history(store):
        assert carried.items() <= event.headers.items()


def test_who_did_it_is_on_the_event_and_in_every_receipt(store: Settings, gateway: GatewayProcess):
    """The writers without a gateway start anew each time: they read the actor in the log."""
    direct, indirect = (
        msgspec.structs.replace(settings, actor="Žofie") for settings in (store, gateway.settings)
    )
    for settings, command, key in ((direct, ADD, "a"), (indirect, AddCopies(ISBN, 1), "b")):
        assert accepted(submit(settings, command, key)).receipt.actor == "Žofie"
        for repeating in (store, msgspec.structs.replace(gateway.settings, actor="Bob")):
            again = accepted(submit(repeating, command, key))
            assert (again.receipt.actor, again.replayed) == ("Žofie", True)
    assert accepted(submit(indirect, AddCopies(ISBN, 2), "c", {"actor": "Carl"})).receipt.actor == "Carl"
    assert accepted(submit(store, AddCopies(ISBN, 3), "d")).receipt.actor == ""
    assert [event.headers.get("actor") for event in history(store)] == ["Žofie", "Žofie", "Carl", None]
    receipt = gateway.client.get("/commands/a", params={"isbn": ISBN}).json()
    assert receipt["actor"] == "Žofie"


def test_a_client_bypasses_a_stopped_or_frozen_gateway(store: Settings, gateway: GatewayProcess):
    settings = msgspec.structs.replace(gateway.settings, deadline=10)
    accepted(submit(settings, ADD))
    gateway.freeze()
    try:
        accepted(submit(settings, AddCopies(ISBN, 1), "frozen"))
    finally:
        gateway.thaw()
    gateway.end(signal.SIGKILL)
    accepted(submit(settings, AddCopies(ISBN, 1), "killed"))
    assert [event.command_id for event in history(store)][1:] == ["frozen", "killed"]


def test_a_client_bypasses_another_server_at_the_gateways_address(store: Settings):
    with stranger() as url:
        settings = msgspec.structs.replace(store, gateway=url)
        accepted(submit(settings, ADD))
    assert event_types(store) == ["BookAdded"]


def stranger() -> AbstractContextManager[str]:
    """A web server that takes everything and does nothing."""

    class Page(http_server.Handler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.respond(200, b"<html>welcome</html>")

    return http_server.serving(Page)


def test_a_client_sends_nothing_if_neither_gateway_nor_kafka_answers():
    nowhere = f"127.0.0.1:{free_port()}"
    settings = Settings(kafka=nowhere, gateway=f"http://127.0.0.1:{free_port()}", deadline=1)
    outcome = submit(settings, ADD)
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent


def test_a_frozen_gateway_gets_no_command(store: Settings, gateway: GatewayProcess):
    nowhere = f"127.0.0.1:{free_port()}"
    settings = msgspec.structs.replace(gateway.settings, deadline=2, kafka=nowhere)
    gateway.freeze()
    try:
        outcome = submit(settings, ADD)
    finally:
        gateway.thaw()
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent


def test_a_busy_gateway_and_direct_commands_both_make_progress(store: Settings, gateway: GatewayProcess):
    """The gateway and fences of their own fight for the same partition; neither may be left out."""
    for isbn in (ISBN, OTHER):
        assert gateway.post(AddBook(isbn, "Title")).status_code == 201
    keys = [f"single {number}" for number in range(5)]
    with Callers([gateway], [ISBN], 8) as callers:
        eventually(lambda: callers.count(201) > 20)
        for key in keys:
            before = callers.count(201)
            accepted(submit(store, AddCopies(OTHER, 1), key))
            eventually(lambda before=before: callers.count(201) > before)
    assert {one.status for one in callers.told} == {201}
    assert [event.command_id for event in history(store, OTHER)][1:] == keys
    assert len(history(store, ISBN)) == 1 + callers.count(201)
