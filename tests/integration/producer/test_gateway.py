"""Commands over HTTP, to a gateway as it runs in earnest."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from eventstore.positions import parse_positions
from inventory import isbn as identifiers
from inventory.commands import AddBook, AddCopies, BorrowBook, RemoveBook, ReturnBook
from schemas.records import recorded
from tests.support.producer.gateway_process import GatewayProcess, problem
from tests.support.producer.writer_calls import committed_records
from tests.support.raw_http import exchange


def test_an_accepted_command_gets_a_receipt_that_can_be_read_again(gateway: GatewayProcess, isbn: str):
    key = f"desk 1/{uuid4().hex}/příklad"
    answer = gateway.post(AddBook(isbn, "Elixir in Action"), key.encode())  # type: ignore[arg-type]
    assert answer.status_code == 201
    receipt = answer.json()
    assert receipt["command_id"] == key
    assert receipt["isbn"] == isbn
    assert receipt["events"] == [{"type": "BookAdded", "version": 1}]
    assert answer.headers["inventory-position"] == receipt["position"]
    assert len(parse_positions(receipt["position"])) == 1
    assert answer.headers["cache-control"] == "no-store"

    again = gateway.client.get(answer.headers["location"])
    assert (again.status_code, again.json()) == (200, receipt)
    assert gateway.client.get(f"/commands/{quote(key, safe='')}").json() == receipt


def test_a_repeated_request_gets_the_first_answer_and_has_no_effect(gateway: GatewayProcess, title: str):
    key = uuid4().hex
    first = gateway.post(BorrowBook(title, "ann"), key)
    second = gateway.post(BorrowBook(title, "ann"), key)
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert gateway.post(BorrowBook(title, "bob")).json()["events"][0]["version"] == 3


def test_a_command_with_nothing_to_do_is_200_without_a_location(gateway: GatewayProcess, title: str):
    answer = gateway.post(AddBook(title, "Elixir in Action", "Sasa Juric", 2))
    assert answer.status_code == 200
    assert answer.json()["events"] == []
    assert answer.headers["inventory-position"] == answer.json()["position"]
    assert "location" not in answer.headers


def test_a_refusal_names_the_rule_and_is_decided_again(gateway: GatewayProcess, title: str):
    key = uuid4().hex
    problem(gateway.post(ReturnBook(title, "ann"), key), 409, "not_on_loan")
    problem(gateway.client.get(f"/commands/{key}"), 404, "no_such_command")
    gateway.post(BorrowBook(title, "ann"))
    gateway.post(BorrowBook(title, "bob"))
    said = problem(gateway.post(ReturnBook(title)), 409, "which_loan")
    assert said["borrowers"] == ["ann", "bob"]
    problem(gateway.post(RemoveBook(title)), 409, "on_loan")
    assert gateway.post(ReturnBook(title, "ann"), key).status_code == 201


def test_a_command_id_belongs_to_one_command_of_one_title(gateway: GatewayProcess, title: str):
    key = uuid4().hex
    assert gateway.post(BorrowBook(title, "ann"), key).status_code == 201
    problem(gateway.post(BorrowBook(title, "bob"), key), 422, "reused_id")
    other = identifiers.in_house(uuid4().int % 10**11)
    assert gateway.post(AddBook(other, "Another"), key).status_code == 201
    both = problem(gateway.client.get(f"/commands/{key}"), 409, "several_titles")
    assert title in str(both["detail"])
    assert gateway.client.get(f"/commands/{key}", params={"isbn": other}).json()["isbn"] == other


def test_events_carry_the_callers_headers(gateway: GatewayProcess, isbn: str):
    trace = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    sent = {"traceparent": trace, "causation_id": "scan 7", "correlation_id": "desk", "client_time": TIME}
    answer = gateway.post(AddBook(isbn, "Elixir in Action"), **sent)
    partition, offset = next(iter(parse_positions(answer.json()["position"]).items()))
    (message,) = [m for m in committed_records(gateway.settings, partition) if m.offset() == offset]
    assert sent.items() <= recorded(message).headers.items()

    ignored = gateway.post(AddCopies(isbn, 1), traceparent="not a trace")
    partition, offset = next(iter(parse_positions(ignored.json()["position"]).items()))
    (message,) = [m for m in committed_records(gateway.settings, partition) if m.offset() == offset]
    assert "traceparent" not in recorded(message).headers


TIME = "2026-03-01T12:00:00+01:00"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"idempotency_key": ""}, 400, "no_key"),
        ({"idempotency_key": "k" * 201}, 400, "malformed"),
        ({"client_time": "yesterday"}, 400, "malformed"),
        ({"client_time": "2026-03-01T12:00:00"}, 400, "malformed"),
        ({"client_time": "2026-W09-7T12:00:00+01:00"}, 400, "malformed"),
        ({"correlation_id": "c" * 1001}, 400, "malformed"),
        ({"content_type": ""}, 415, "unsupported_media_type"),
        ({"content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content_type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        ({"host": "evil.example"}, 421, "unknown_host"),
        ({"origin": "https://evil.example"}, 403, "foreign_origin"),
    ],
)
def test_headers_are_checked_before_anything_is_decided(
    gateway: GatewayProcess, isbn: str, headers: dict[str, str], status: int, code: str
):
    problem(gateway.post(AddBook(isbn, "Elixir in Action"), **headers), status, code)
    problem(gateway.post(BorrowBook(isbn, "ann")), 409, "unknown_title")


def test_json_is_accepted_under_several_content_types(gateway: GatewayProcess, title: str):
    for name in ("application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"', "application/json;"):
        assert gateway.post(AddCopies(title, 1), content_type=name).status_code == 201


def test_a_repeated_idempotency_key_header_is_refused(gateway: GatewayProcess, title: str):
    headers = [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "b")]
    body = b'{"type": "AddCopies", "isbn": "%s", "quantity": 1}' % title.encode()
    problem(gateway.client.post("/commands", content=body, headers=headers), 400, "repeated_header")


def test_an_idempotency_key_that_is_not_text_is_refused(gateway: GatewayProcess, title: str):
    headers: Any = {"content-type": "application/json", "idempotency-key": b"\xff\xfe"}
    body = b'{"type": "AddCopies", "isbn": "%s", "quantity": 1}' % title.encode()
    problem(gateway.client.post("/commands", content=body, headers=headers), 400, "malformed")


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("GET", "/nowhere", 404, "no_such_route", None),
        ("GET", "/commands", 405, "method_not_allowed", {"POST", "OPTIONS"}),
        ("DELETE", "/commands", 405, "method_not_allowed", {"POST", "OPTIONS"}),
        ("POST", "/healthz", 405, "method_not_allowed", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/commands/x?isbn=12", 400, "malformed", None),
        ("GET", "/commands/x?colour=red", 400, "unknown_parameter", None),
    ],
)
def test_an_unknown_route_or_method_is_a_problem_document(
    gateway: GatewayProcess, method: str, path: str, status: int, code: str, allow: set[str] | None
):
    answer = gateway.client.request(method, path)
    problem(answer, status, code)
    assert ("allow" in answer.headers) == (allow is not None)
    if allow is not None:
        assert {name.strip() for name in answer.headers["allow"].split(",")} == allow


def test_the_gateway_reports_health_readiness_metrics_and_its_openapi_document(
    gateway: GatewayProcess, title: str
):
    assert gateway.client.get("/healthz").json() == {"status": "ok"}
    assert gateway.client.head("/healthz").status_code == 200
    alone = {"partitions": [0, 1], "others": {}, "address": str(gateway.client.base_url).rstrip("/")}
    readiness = {"ready": True, "troubles": {}, "service": "gateway"} | alone
    assert gateway.client.get("/readyz").json() == readiness
    counted = gateway.client.get("/metrics").text
    for name in (
        "answers_total",
        "batch_commands_sum",
        "batch_seconds_sum",
        "open",
        "waiting",
        "writable",
        "owned",
    ):
        assert f"library_gateway_{name}" in counted
    document = gateway.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {"/commands", "/commands/{command_id}", "/readyz", "/metrics"}


def test_a_command_of_http_1_0_without_a_host_is_answered(gateway: GatewayProcess, title: str):
    body = f'{{"type": "AddCopies", "isbn": "{title}", "quantity": 1}}'
    head = (
        f"POST /commands HTTP/1.0\nContent-Type: application/json\nIdempotency-Key: {uuid4().hex}\n"
        f"Content-Length: {len(body)}\n\n"
    )
    answer = exchange(gateway.settings.gateway_port, head + body)
    assert (answer.status, answer.value["isbn"]) == (201, title)
    assert exchange(gateway.settings.gateway_port, "GET /readyz HTTP/1.0\n\n").status == 200


def test_the_document_is_sent_once(gateway: GatewayProcess):
    for path in ("/openapi.json", "/docs"):
        first = gateway.client.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = gateway.client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
