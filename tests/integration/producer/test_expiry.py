"""Two gateways, of which one is frozen while it has a command: what the other one says is final."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from eventstore.state.outcomes import Refused
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from producer.client import execute
from tests.support.producer.gateway_process import GatewayProcess, problem, running_gateway
from tests.support.producer.writer_calls import ISBN
from tests.support.waiting import eventually

Gateways = tuple[GatewayProcess, GatewayProcess]


@pytest.fixture
def gateways(new_settings: Callable[..., Settings]) -> Iterator[Gateways]:
    """Two of a store with one partition, which the first one has; a title with one copy, which is on loan."""
    store = new_settings(partitions=1)
    with running_gateway(store) as one, running_gateway(store) as another:
        readiness = [each.client.get("/readyz").json() for each in (one, another)]
        first, second = (one, another) if readiness[0]["partitions"] else (another, one)
        eventually(lambda: second.client.get("/readyz").json()["others"].get(first.settings.gateway) == [0])
        assert first.post(AddBook(ISBN, "Elixir in Action")).status_code == 201
        assert first.post(BorrowBook(ISBN, "bob")).status_code == 201
        yield first, second


def wait_for_the_time(gateway: GatewayProcess, time: str) -> None:
    eventually(lambda: gateway.client.get("/time").json()["time"] > time)


def test_a_gateway_that_was_frozen_does_not_execute_an_expired_command(gateways: Gateways):
    first, second = gateways
    key, borrow = uuid4().hex, BorrowBook(ISBN, "ann")
    now = datetime.fromisoformat(first.client.get("/time").json()["time"])
    expiry = (now + timedelta(seconds=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    first.freeze()
    with ThreadPoolExecutor() as pool:
        late = pool.submit(first.post, borrow, key, expiry_time=expiry)
        wait_for_the_time(second, expiry)
        problem(second.post(borrow, key), 409, "none_available")
        assert second.post(ReturnBook(ISBN, "bob")).status_code == 201
        first.thaw()
        problem(late.result(), 504, "outcome_unknown")
    for gateway in gateways:
        problem(gateway.client.get(f"/commands/{key}", params={"isbn": ISBN}), 404, "no_such_command")


def test_a_refusal_by_the_second_gateway_holds_when_the_first_is_thawed(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
):
    first, second = gateways
    request, key, kept = HTTPConnection.request, uuid4().hex, list[HTTPConnection]()

    def freezing(connection: HTTPConnection, method: str, *arguments: Any, **more: Any) -> None:
        if method == "POST" and connection.port == first.settings.gateway_port:
            first.freeze()
        request(connection, method, *arguments, **more)

    monkeypatch.setattr(HTTPConnection, "request", freezing)
    # The gateway does not learn that its client has gone, as with a network that is cut
    monkeypatch.setattr(HTTPConnection, "close", lambda connection: kept.append(connection))
    urls = f"{first.settings.gateway},{second.settings.gateway}"
    settings = msgspec.structs.replace(second.settings, gateway=urls, deadline=12)
    outcome = execute(settings, key, BorrowBook(ISBN, "ann"))
    assert isinstance(outcome, Refused), outcome
    assert second.post(ReturnBook(ISBN, "bob")).status_code == 201
    first.thaw()
    eventually(lambda: answered(first) == 3)
    for gateway in gateways:
        problem(gateway.client.get(f"/commands/{key}", params={"isbn": ISBN}), 404, "no_such_command")


def answered(gateway: GatewayProcess) -> int:
    """How many commands it has answered."""
    text = gateway.client.get("/metrics").text
    return int(
        sum(
            float(line.split()[1])
            for line in text.splitlines()
            if line.startswith("library_gateway_answers_total")
        )
    )
