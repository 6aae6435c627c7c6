"""What can't be brought about with a gateway in earnest: tokens, outcomes of trouble, slow and full ones."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from eventstore.state.outcomes import (
    Accepted,
    Appended,
    Outcome,
    OutcomeUnknown,
    Receipt,
    Submitted,
    Unwritable,
)
from foundation.settings import Settings
from inventory.commands import BorrowBook
from producer.gateway import gateway as gateways
from producer.gateway import requests
from producer.gateway.app import create_app
from producer.gateway.fast_path import CommandFastPath
from producer.gateway.gateway import Gateway
from producer.gateway.lanes import Full
from producer.gateway.metrics import Metrics
from tests.support.producer.writer_calls import ISBN

BODY = msgspec.json.encode(BorrowBook(ISBN, "ann"))
HEADERS = {"content-type": "application/json", "idempotency-key": "key 1"}
RECEIPT = Receipt("key 1", ISBN, (Appended("BookBorrowed", 2),), "0:7")


class Lane:
    """Answers at once with ``result``, or never where there is none."""

    alive, trouble, waiting = True, None, 0

    def __init__(self, result: Any = None) -> None:
        self.result = result
        self.submitted: list[Submitted] = []

    def submit(self, submitted: Submitted) -> "asyncio.Future[Outcome]":
        self.submitted.append(submitted)
        return self.look_up("")

    def look_up(self, _: str) -> "asyncio.Future[Any]":
        if isinstance(self.result, Exception):
            raise self.result
        future = asyncio.get_running_loop().create_future()
        if self.result is not None:
            future.set_result(self.result)
        return future


def made(lane: Lane, **settings: Any) -> tuple[Gateway, CommandFastPath]:
    """A gateway with one lane, and its application."""
    metrics = Metrics()
    gateway = Gateway(Settings(partitions=1, **settings), metrics.observe)
    gateway.lanes.append(lane)  # type: ignore[arg-type]
    metrics.gateway = gateway
    return gateway, create_app(gateway, metrics)


async def asked(app: Any, method: str = "POST", path: str = "/commands", **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        if method == "POST":
            more = {"content": BODY, "headers": HEADERS} | more
        return await client.request(method, path, **more)


def answer(lane: Lane, **more: Any) -> httpx.Response:
    """What a command is answered when the lane does as it does."""
    return asyncio.run(asked(made(lane)[1], **more))


@pytest.mark.parametrize(
    ("result", "status", "code"),
    [
        (OutcomeUnknown("Kafka is slow"), 504, "outcome_unknown"),
        (OutcomeUnknown("Kafka is away", sent=False), 503, "unavailable"),
        (Unwritable("upgrade"), 503, "unwritable"),
        (Full(), 503, "full"),
        (ZeroDivisionError("swordfish"), 500, "internal"),
    ],
)
def test_each_failure_is_a_problem_with_advice(result: Any, status: int, code: str):
    told = answer(Lane(result))
    assert (told.status_code, told.json()["code"]) == (status, code)
    assert "swordfish" not in told.text
    assert ("retry-after" in told.headers) == (code in ("outcome_unknown", "unavailable", "full"))
    assert (told.headers.get("location") == f"/commands/key%201?isbn={ISBN}") == (status == 504)


@pytest.mark.parametrize("result", [OutcomeUnknown("Kafka is away"), Unwritable("upgrade"), Full()])
def test_a_lookup_without_an_answer_is_a_problem(result: Any):
    told = answer(Lane(result), method="GET", path="/commands/key%201")
    assert told.status_code == 503


def test_a_configured_token_is_required():
    app = made(Lane(Accepted(RECEIPT)), token="sesame")[1]

    def status(authorization: str | None, **more: Any) -> httpx.Response:
        given = {} if authorization is None else {"authorization": authorization}
        return asyncio.run(asked(app, **({"headers": HEADERS | given} | more)))

    for wrong in (None, "Bearer", "Bearer sesam", "Bearer sesame2", "sesame", "Basic sesame"):
        told = status(wrong)
        assert (told.status_code, told.json()["code"]) == (401, "no_token")
        assert told.headers["www-authenticate"] == "Bearer"
    assert status("Bearer sesame").status_code == 201
    assert status(None, method="GET", path="/commands/x").status_code == 401
    assert status(None, method="GET", path="/readyz").status_code == 200
    document = asyncio.run(asked(app, "GET", "/openapi.json")).json()
    assert document["paths"]["/commands"]["post"]["security"] == [{"token": []}]


def test_readiness_names_what_is_wrong():
    lane = Lane()
    lane.trouble = "Kafka is away"  # type: ignore[assignment]
    told = answer(lane, method="GET", path="/readyz")
    assert (told.status_code, told.json()) == (503, {"ready": False, "troubles": {"0": "Kafka is away"}})


def test_a_request_body_that_does_not_arrive_times_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(requests, "SLOWEST", 0.01)
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def never() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in HEADERS.items())]
        scope: Any = {"type": "http", "method": "POST", "path": "/commands", "headers": headers}
        await made(Lane())[1](scope, never, send)

    asyncio.run(run())
    assert sent[0]["status"] == 408


def test_a_stopping_gateway_takes_no_command_and_answers_those_it_took(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateways, "DRAINING", 0.05)

    async def run() -> list[httpx.Response]:
        gateway, app = made(Lane())
        taken = asyncio.create_task(asked(app))
        while not gateway.open:
            await asyncio.sleep(0)
        stopping = asyncio.create_task(gateway.drain())
        await asyncio.sleep(0)
        refused = await asked(app)
        await stopping
        return [await taken, refused, await asked(app, "GET", "/readyz")]

    taken, refused, ready = asyncio.run(run())
    assert (taken.status_code, taken.json()["code"]) == (504, "outcome_unknown")
    assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
    assert ready.status_code == 503


def test_the_documented_route_behaves_as_the_fast_path():
    """The front answers commands itself; the framework's route must not do anything else."""
    for result in (Accepted(RECEIPT), Accepted(RECEIPT, replayed=True), OutcomeUnknown("slow")):
        front_lane, route_lane = Lane(result), Lane(result)
        front = made(front_lane)[1]
        headers = HEADERS | {"correlation-id": "desk", "client-time": "2026-03-01T12:00:00Z"}
        by_front = asyncio.run(asked(front, headers=headers))
        route: Callable[..., Any] = made(route_lane)[1]._app
        by_route = asyncio.run(asked(route, headers=headers))
        assert (by_front.status_code, by_front.content) == (by_route.status_code, by_route.content)
        assert front_lane.submitted == route_lane.submitted
        for name in ("location", "inventory-position", "idempotency-replayed", "content-type"):
            assert by_front.headers.get(name) == by_route.headers.get(name)
