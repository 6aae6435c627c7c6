"""Gateways and the command line in a store that keeps the names of borrowers apart."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, AnyCommand, BorrowBook, ReturnBook
from inventory.patrons import AddPatron, ForgetPatron, KeepPatron
from library.commands.patron_changes import add, forget, keep
from library.store.names import ensure_store
from producer.gateway import gateway as waiting
from producer.gateway.gateway import Gateway
from producer.writers import binding
from schemas.patrons import ROLL_KEY
from tests.support.library.command_runner import run_command
from tests.support.producer.gateway_process import GatewayProcess, problem, running_gateway
from tests.support.producer.named_store import (
    bytes_of_events,
    directory,
    keep_names_apart,
    lend,
    loans,
    names_records,
)
from tests.support.producer.writer_calls import ADD, ISBN, OTHER
from tests.support.waiting import eventually

USER = "card-0048213"


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    return keep_names_apart(new_settings(partitions=2))


@pytest.fixture
def gateway(store: Settings) -> Iterator[GatewayProcess]:
    with running_gateway(store) as running:
        assert running.post(ADD).status_code == 201
        yield running


def test_a_gateway_that_waits_for_a_new_store_finds_its_names(
    new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
):
    settings = new_settings(partitions=1)
    new = replace(settings, name=f"{settings.name}-new")

    def created_meanwhile(store: Settings) -> str:
        ensure_store(AdminClient(client_config(store)), store)
        return binding(store)

    monkeypatch.setattr(waiting, "binding", created_meanwhile)
    gateway = Gateway(new, lambda *_: None)
    assert gateway.ask_for_names() is not None
    asyncio.run(gateway.stop())


def ended(gateway: GatewayProcess, command: AnyCommand) -> tuple[str, bool]:
    """The state in the answer, and whether it has a token."""
    answer = gateway.post(command)
    assert answer.status_code == 200, answer.text
    return answer.json()["state"], bool(answer.json()["patron"])


def test_a_gateway_lends_forgets_and_ends_an_erasure_at_the_last_return(
    store: Settings, gateway: GatewayProcess
):
    assert gateway.post(BorrowBook(ISBN, USER)).status_code == 201
    assert USER.encode() not in bytes_of_events(store)
    open_loans = problem(gateway.post(ForgetPatron(USER)), 409, "open_loans")
    assert open_loans["isbns"] == [ISBN]
    assert ended(gateway, ForgetPatron(USER, True)) == ("closing", True)
    assert gateway.post(AddBook(OTHER, "Programming Elixir")).status_code == 201
    problem(gateway.post(BorrowBook(OTHER, USER)), 409, "patron_closing")
    assert ended(gateway, KeepPatron(USER)) == ("registered", True)
    assert ended(gateway, ForgetPatron(USER, True)) == ("closing", True)
    assert gateway.post(ReturnBook(ISBN)).status_code == 201
    eventually(lambda: directory(store).token_of(USER) is None)
    assert ended(gateway, ForgetPatron(USER)) == ("unknown", False)
    assert USER not in gateway.log.read_text("utf-8")


def test_user_ids_that_look_like_tokens_are_malformed(gateway: GatewayProcess):
    for command in (BorrowBook(ISBN, "p~card"), AddPatron("p~card"), ForgetPatron(" p~card")):
        answer = problem(gateway.post(command), 400, "malformed")
        assert answer["field"] == "user_id"


def test_two_gateways_give_a_borrower_one_token(store: Settings, gateway: GatewayProcess):
    with running_gateway(store) as other:
        for each in (gateway, other):
            assert ended(each, AddPatron(USER)) == ("registered", True)
            assert each.post(BorrowBook(ISBN, f"{USER}-{each is other}")).status_code == 201
    tokens = [key for key, value in names_records(store) if value and key != ROLL_KEY]
    assert (len(tokens), len(directory(store))) == (3, 3)


def test_a_gateway_ends_what_a_killed_one_left(store: Settings, gateway: GatewayProcess):
    assert gateway.post(BorrowBook(ISBN, USER)).status_code == 201
    assert ended(gateway, ForgetPatron(USER, True)) == ("closing", True)
    gateway.end()
    lend(store, ReturnBook(ISBN, USER))
    assert directory(store).token_of(USER)
    with running_gateway(store):
        eventually(lambda: directory(store).token_of(USER) is None)


def test_a_store_without_names_cannot_forget_and_says_the_way(new_settings: Callable[..., Settings]):
    plain = new_settings(partitions=1)
    with running_gateway(plain) as running:
        assert running.post(ADD).status_code == 201
        assert running.post(BorrowBook(ISBN, "p~card")).status_code == 201
        answer = problem(running.post(ForgetPatron("card")), 409, "no_names")
        assert "library restore FILE --pseudonymise" in str(answer["detail"])
        done = run_command(forget, running.settings, "card")
        assert done.exit_code == 3
    assert loans(plain) == {(ISBN, "p~card")}


@pytest.mark.parametrize("through", ["gateway", "own fence"])
def test_the_commands_of_the_command_line(store: Settings, gateway: GatewayProcess, through: str):
    settings = gateway.settings if through == "gateway" else store
    assert run_command(add, settings, USER).stdout.startswith("registered as p~")
    assert gateway.post(BorrowBook(ISBN, USER)).status_code == 201
    refused = run_command(forget, settings, USER)
    assert (refused.exit_code, ISBN in refused.stderr) == (3, True)
    assert "at the last return of " + ISBN in run_command(forget, settings, USER, "--when-returned").stdout
    assert run_command(keep, settings, USER).exit_code == 0
    assert gateway.post(ReturnBook(ISBN, USER)).status_code == 201
    assert "is forgotten" in run_command(forget, settings, USER).stdout
    assert run_command(forget, settings, USER, "--json").stdout.count('"state":"unknown"') == 1
    assert run_command(add, settings, "p~card").exit_code == 2
