"""The gateway's application with lanes that fail, are slow or full, which is hard to arrange with Kafka."""

import asyncio
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
from foundation.http.app import LARGEST_BODY_BYTES
from foundation.http.origins import PageAccess
from foundation.settings import Settings
from inventory.commands import BorrowBook
from producer.gateway import gateway as gateways
from producer.gateway.gateway import Gateway
from producer.gateway.lanes import QueueFull
from producer.gateway.metrics import Metrics
from tests.support.producer.gateway_app import gateway_app
from tests.support.producer.writer_calls import ISBN

BODY = msgspec.json.encode(BorrowBook(ISBN, "ann"))
HEADERS = {"content-type": "application/json", "idempotency-key": "key 1"}
TIME = "2026-03-01T12:00:00Z"
RECEIPT = Receipt("key 1", ISBN, (Appended("BookBorrowed", 2),), "0:7")


class Lane:
    """Answers at once with ``result``, or never where there is none."""

    alive, owned, reading, trouble, waiting = True, True, False, None, 0

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


def application(lane: Lane, **settings: Any) -> tuple[Gateway, PageAccess]:
    """A gateway with one lane, and its application."""
    metrics = Metrics()
    gateway = Gateway(Settings(partitions=1, **settings), metrics.observe)
    gateway.lanes.append(lane)  # type: ignore[arg-type]
    metrics.gateway = gateway
    return gateway, gateway_app(gateway, metrics)


async def request(app: Any, method: str = "POST", path: str = "/commands", **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        if method == "POST":
            more = {"content": BODY, "headers": HEADERS} | more
        return await client.request(method, path, **more)


def respond(lane: Lane, **more: Any) -> httpx.Response:
    """The response to a request, with this lane."""
    return asyncio.run(request(application(lane)[1], **more))


@pytest.mark.parametrize(
    ("result", "status", "code"),
    [
        (OutcomeUnknown("Kafka is slow"), 504, "outcome_unknown"),
        (OutcomeUnknown("Kafka is away", sent=False), 503, "unavailable"),
        (Unwritable("upgrade"), 503, "unwritable"),
        (QueueFull(), 503, "full"),
        (ZeroDivisionError("swordfish"), 500, "internal"),
    ],
)
def test_each_failure_is_a_problem_with_advice(result: Any, status: int, code: str):
    response = respond(Lane(result))
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "swordfish" not in response.text
    assert ("retry-after" in response.headers) == (code in ("outcome_unknown", "unavailable", "full"))
    assert (response.headers.get("location") == f"/commands/key%201?isbn={ISBN}") == (status == 504)


@pytest.mark.parametrize("result", [OutcomeUnknown("Kafka is away"), Unwritable("upgrade"), QueueFull()])
def test_a_lookup_without_an_answer_is_a_problem(result: Any):
    response = respond(Lane(result), method="GET", path="/commands/key%201")
    assert response.status_code == 503


def test_a_configured_token_is_required():
    app = application(Lane(Accepted(RECEIPT)), token="sesame")[1]

    def status(authorization: str | None, **more: Any) -> httpx.Response:
        given = {} if authorization is None else {"authorization": authorization}
        return asyncio.run(request(app, **({"headers": HEADERS | given} | more)))

    for wrong in (None, "Bearer", "Bearer sesam", "Bearer sesame2", "sesame", "Basic sesame"):
        response = status(wrong)
        assert (response.status_code, response.json()["code"]) == (401, "no_token")
        assert response.headers["www-authenticate"] == "Bearer"
    assert status("Bearer sesame").status_code == 201
    assert status(None, method="GET", path="/commands/x").status_code == 401
    readiness = status(None, method="GET", path="/readyz")
    # Nobody has asked the group for its partitions
    assert (readiness.status_code, readiness.json()["service"]) == (503, "gateway")
    document = asyncio.run(request(app, "GET", "/openapi.json")).json()
    assert document["paths"]["/commands"]["post"]["security"] == [{"token": []}]


def test_a_gateway_that_has_not_asked_the_group_for_its_partitions_is_not_ready():
    response = respond(Lane(), method="GET", path="/readyz")
    assert (response.status_code, response.json()["ready"], response.json()["troubles"]) == (503, False, {})


def test_readiness_names_what_is_wrong():
    lane = Lane()
    lane.trouble = "Kafka is away"  # type: ignore[assignment]
    response = respond(lane, method="GET", path="/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "troubles": {"0": "Kafka is away"},
        "partitions": [0],
        "others": {},
        "address": "http://127.0.0.1:8081",
        "service": "gateway",
    }


def test_a_stopping_gateway_takes_no_command_and_answers_those_it_took(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateways, "DRAIN_TIMEOUT_S", 0.05)

    async def run() -> list[httpx.Response]:
        gateway, app = application(Lane())
        taken = asyncio.create_task(request(app))
        while not gateway.open:
            await asyncio.sleep(0)
        stopping = asyncio.create_task(gateway.drain())
        await asyncio.sleep(0)
        refused = await request(app)
        await stopping
        return [await taken, refused, await request(app, "GET", "/readyz")]

    taken, refused, ready = asyncio.run(run())
    assert (taken.status_code, taken.json()["code"]) == (504, "outcome_unknown")
    assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
    assert ready.status_code == 503


def by_framework(app: PageAccess) -> Any:
    """The application without its fast path."""
    app._app = app._app._app
    return app


SENT: dict[str, dict[str, Any]] = {
    "a command": {},
    "carried headers": {
        "headers": HEADERS | {"correlation-id": "desk", "client-time": "2026-03-01T12:00:00Z"}
    },
    "no key": {"headers": {"content-type": "application/json"}},
    "no JSON": {"headers": HEADERS | {"content-type": "text/plain"}},
    "a malformed body": {"content": b"{"},
    "an unknown type": {"content": b'{"type": "BurnBook"}'},
    "a body that is too large": {"content": b" " * (LARGEST_BODY_BYTES + 1)},
    "JSON in another spelling": {"headers": HEADERS | {"content-type": 'APPLICATION/json; Charset="UTF8";'}},
    "another charset": {"headers": HEADERS | {"content-type": "application/json; charset=latin-1"}},
    "no encoding": {"headers": HEADERS | {"content-encoding": "Identity"}},
    "an encoding": {"headers": HEADERS | {"content-encoding": "gzip"}},
    "a member twice": {"content": BODY.replace(b"{", b'{"isbn": "1", ')},
    "a parameter": {"path": "/commands?colour=red"},
    "an expiry": {"headers": HEADERS | {"expiry-time": TIME}},
    "an expiry that is no time": {"headers": HEADERS | {"expiry-time": "soon"}},
    "an actor": {"headers": HEADERS | {"actor": "Ann"}},
    "a malformed actor": {"headers": HEADERS | {"actor": "a" * 201}},
    "the page": {"headers": HEADERS | {"origin": "http://localhost:8080"}},
    "another page": {"headers": HEADERS | {"origin": "http://localhost:8079"}},
    "another host": {"headers": HEADERS | {"host": "evil.example"}},
}


@pytest.mark.parametrize("more", SENT.values(), ids=SENT)
def test_both_routes_of_a_command_do_the_same(more: dict[str, Any]):
    for result in (Accepted(RECEIPT), Accepted(RECEIPT, replayed=True), OutcomeUnknown("slow")):
        fast_lane, slow_lane = Lane(result), Lane(result)
        fast = asyncio.run(request(application(fast_lane)[1], **more))
        slow = asyncio.run(request(by_framework(application(slow_lane)[1]), **more))
        assert (fast.status_code, fast.content) == (slow.status_code, slow.content)
        assert sorted(fast.headers.items()) == sorted(slow.headers.items())
        assert fast_lane.submitted == slow_lane.submitted


def test_another_spelling_of_the_path_is_counted_and_answered_alike():
    app = application(Lane(Accepted(RECEIPT)))[1]
    responses = [asyncio.run(request(app, path=path)) for path in ("/commands", "/commands/")]
    assert {response.status_code for response in responses} == {201}
    counted = asyncio.run(request(app, "GET", "/metrics")).text
    assert 'library_gateway_answers_total{status="201"} 2.0' in counted
