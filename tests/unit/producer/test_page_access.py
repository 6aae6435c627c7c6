"""The gateway and the scripts of pages: the query API's page may use it, others may not."""

import asyncio
from typing import Any

import httpx
import pytest

from eventstore.decider import Rejection
from eventstore.state.outcomes import Accepted, OutcomeUnknown, Refused
from tests.unit.producer.test_fast_path import HEADERS, RECEIPT, Lane, application, request

PAGE = "http://localhost:8080"
PREFLIGHT = {"origin": PAGE, "access-control-request-method": "POST"}
EXPOSED = {"location", "inventory-position", "idempotency-replayed", "retry-after"}


def respond(
    method: str = "POST", path: str = "/commands", lane: Lane | None = None, **more: Any
) -> httpx.Response:
    return asyncio.run(request(application(lane or Lane(Accepted(RECEIPT)))[1], method, path, **more))


def names(response: httpx.Response, header: str) -> set[str]:
    return {name.strip().lower() for name in response.headers[header].split(",")}


@pytest.mark.parametrize("path", ["/commands", "/commands/key%201", "/readyz"])
def test_a_preflight_allows_every_header_that_a_command_may_have(path: str):
    response = respond("OPTIONS", path, headers=PREFLIGHT)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    assert names(response, "access-control-allow-methods") == {"get", "head", "post"}
    assert names(response, "access-control-allow-headers") == {
        "authorization", "content-type", "idempotency-key", "actor", "traceparent", "causation-id",
        "correlation-id", "client-time", "expiry-time",
    }  # fmt: skip
    assert "origin" in names(response, "vary")
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (Accepted(RECEIPT), 201),
        (Refused(Rejection("removed", "gone")), 409),
        (OutcomeUnknown("slow"), 504),
        (ZeroDivisionError("swordfish"), 500),
    ],
)
def test_the_page_may_read_every_response_and_the_receipts_headers(result: Any, status: int):
    response = respond(lane=Lane(result), headers=HEADERS | {"origin": PAGE})
    assert response.status_code == status
    assert response.headers.get_list("access-control-allow-origin") == [PAGE]
    assert names(response, "access-control-expose-headers") == EXPOSED
    assert response.headers.get_list("vary") == ["Origin"]


@pytest.mark.parametrize("path", ["/readyz", "/commands/key%201", "/nowhere"])
def test_the_page_may_read_the_other_routes_too(path: str):
    response = respond("GET", path, headers={"origin": PAGE})
    assert response.headers.get_list("access-control-allow-origin") == [PAGE]
    assert response.headers.get_list("vary") == ["Origin"]


@pytest.mark.parametrize("origin", ["http://localhost:8079", "https://evil.example", "null"])
def test_another_page_may_neither_ask_nor_act(origin: str):
    lane = Lane(Accepted(RECEIPT))
    for method, headers in (
        ("OPTIONS", PREFLIGHT | {"origin": origin}),
        ("POST", HEADERS | {"origin": origin}),
        ("GET", {"origin": origin}),
    ):
        response = respond(method, "/readyz" if method == "GET" else "/commands", lane, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")
        assert "access-control-allow-origin" not in response.headers
    assert lane.submitted == []


def test_the_host_is_checked_before_the_page():
    response = respond(headers=HEADERS | {"origin": PAGE, "host": "evil.example:8081"})
    assert response.status_code == 421


def test_a_program_gets_no_headers_for_pages():
    response = respond()
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert response.headers["vary"] == "Origin"
