"""Commands over HTTP, to a gateway as it runs in earnest."""

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from inventory import isbn as identifiers
from inventory.commands import AddBook, AddCopies, BorrowBook, RemoveBook, ReturnBook
from schemas.kafka import client_config
from schemas.positions import parse_positions
from schemas.problem import PROBLEM_JSON
from schemas.records import recorded
from schemas.settings import Settings
from schemas.topics import ensure_topics
from tests.producer.gateways import GatewayProcess, gateway_of
from tests.producer.writing import log_of


@pytest.fixture(scope="module")
def gateway(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all tests here, each of which has titles of its own."""
    name = f"test-{uuid4().hex[:12]}"
    settings = Settings(kafka=broker, name=name, data_dir=str(tmp_path_factory.mktemp(name)), partitions=2)
    ensure_topics(AdminClient(client_config(settings)), settings)
    with gateway_of(settings) as running:
        yield running


@pytest.fixture
def isbn() -> str:
    """A title that nobody else has."""
    return identifiers.in_house(uuid4().int % 10**11)


@pytest.fixture
def title(gateway: GatewayProcess, isbn: str) -> str:
    """A title in the inventory, with two copies."""
    assert gateway.post(AddBook(isbn, "Elixir in Action", "Sasa Juric", 2)).status_code == 201
    return isbn


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The problem document that ``answer`` must be."""
    assert answer.headers["content-type"] == PROBLEM_JSON
    document: dict[str, object] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code), document
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    return document


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


def test_a_repeat_gets_the_first_answer_and_has_no_effect(gateway: GatewayProcess, title: str):
    key = uuid4().hex
    first = gateway.post(BorrowBook(title, "ann"), key)
    second = gateway.post(BorrowBook(title, "ann"), key)
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert gateway.post(BorrowBook(title, "bob")).json()["events"][0]["version"] == 3


def test_nothing_to_do_is_200_without_a_place_to_look_it_up(gateway: GatewayProcess, title: str):
    answer = gateway.post(AddBook(title, "Elixir in Action", "Sasa Juric", 2))
    assert answer.status_code == 200
    assert answer.json()["events"] == []
    assert answer.headers["inventory-position"] == answer.json()["position"]
    assert "location" not in answer.headers


def test_a_refusal_names_the_rule_and_is_decided_afresh(gateway: GatewayProcess, title: str):
    key = uuid4().hex
    problem(gateway.post(ReturnBook(title, "ann"), key), 409, "not_on_loan")
    problem(gateway.client.get(f"/commands/{key}"), 404, "no_such_command")
    gateway.post(BorrowBook(title, "ann"))
    gateway.post(BorrowBook(title, "bob"))
    said = problem(gateway.post(ReturnBook(title)), 409, "which_loan")
    assert said["borrowers"] == ["ann", "bob"]
    problem(gateway.post(RemoveBook(title)), 409, "on_loan")
    assert gateway.post(ReturnBook(title, "ann"), key).status_code == 201


def test_an_id_belongs_to_one_command_of_its_title(gateway: GatewayProcess, title: str):
    key = uuid4().hex
    assert gateway.post(BorrowBook(title, "ann"), key).status_code == 201
    problem(gateway.post(BorrowBook(title, "bob"), key), 422, "reused_id")
    other = identifiers.in_house(uuid4().int % 10**11)
    assert gateway.post(AddBook(other, "Another"), key).status_code == 201
    both = problem(gateway.client.get(f"/commands/{key}"), 409, "several_titles")
    assert title in str(both["detail"])
    assert gateway.client.get(f"/commands/{key}", params={"isbn": other}).json()["isbn"] == other


def test_events_carry_what_the_caller_sent_along(gateway: GatewayProcess, isbn: str):
    trace = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    sent = {"traceparent": trace, "causation_id": "scan 7", "correlation_id": "desk", "client_time": TIME}
    answer = gateway.post(AddBook(isbn, "Elixir in Action"), **sent)
    partition, offset = next(iter(parse_positions(answer.json()["position"]).items()))
    (message,) = [m for m in log_of(gateway.settings, partition) if m.offset() == offset]
    assert sent.items() <= recorded(message).headers.items()

    ignored = gateway.post(AddCopies(isbn, 1), traceparent="not a trace")
    partition, offset = next(iter(parse_positions(ignored.json()["position"]).items()))
    (message,) = [m for m in log_of(gateway.settings, partition) if m.offset() == offset]
    assert "traceparent" not in recorded(message).headers


TIME = "2026-03-01T12:00:00+01:00"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"idempotency_key": ""}, 400, "no_key"),
        ({"idempotency_key": "k" * 201}, 400, "malformed"),
        ({"client_time": "yesterday"}, 400, "malformed"),
        ({"client_time": "2026-03-01T12:00:00"}, 400, "malformed"),
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


def test_json_may_be_named_in_several_ways(gateway: GatewayProcess, title: str):
    for name in ("application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"', "application/json;"):
        assert gateway.post(AddCopies(title, 1), content_type=name).status_code == 201


def test_a_key_that_stands_twice_is_refused(gateway: GatewayProcess, title: str):
    headers = [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "b")]
    body = b'{"type": "AddCopies", "isbn": "%s", "quantity": 1}' % title.encode()
    problem(gateway.client.post("/commands", content=body, headers=headers), 400, "repeated_header")


def test_a_key_that_is_no_text_is_refused(gateway: GatewayProcess, title: str):
    headers = {"content-type": "application/json", "idempotency-key": b"\xff\xfe"}
    body = b'{"type": "AddCopies", "isbn": "%s", "quantity": 1}' % title.encode()
    problem(gateway.client.post("/commands", content=body, headers=headers), 400, "malformed")


def add(**fields: object) -> bytes:
    return json.dumps({"type": "AddBook", "isbn": "9781593275846", "title": "Elixir", **fields}).encode()


HOSTILE = {
    "not JSON": b"add a book",
    "nothing": b"",
    "an array": b"[]",
    "a number": b"1",
    "two values": add() + b"{}",
    "cut off": add()[:-5],
    "not UTF-8": b'{"type":"AddBook","isbn":"9781593275846","title":"\xff\xfe"}',
    "a byte order mark": b"\xef\xbb\xbf" + add(),
    "UTF-16": add().decode().encode("utf-16"),
    "NUL bytes": b"\0" * 100,
    "deep arrays": b"[" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "deep in a field": b'{"type":"AddBook","isbn":' + b"[" * 30_000,
    "no type": b'{"isbn":"9781593275846","title":"Elixir"}',
    "unknown type": add(type="BurnBook"),
    "type of another type": add(type=["AddBook"]),
    "unknown field": add(shelf=3),
    "missing field": b'{"type":"AddBook","isbn":"9781593275846"}',
    "number as text": add(quantity="3"),
    "text as number": add(title=3),
    "null": add(title=None),
    "boolean quantity": add(quantity=True),
    "half a copy": add(quantity=1.5),
    "no copies": add(quantity=0),
    "negative": add(quantity=-1),
    "huge number": add(quantity=10**400),
    "just beyond 64 bits": add(quantity=2**64),
    "not a number": b'{"type":"AddBook","isbn":"9781593275846","title":"Elixir","quantity":NaN}',
    "huge exponent": b'{"type":"AddBook","isbn":"9781593275846","title":"Elixir","quantity":1e999}',
    "empty title": add(title=" "),
    "overlong title": add(title="x" * 1001),
    "overlong author": add(author="x" * 1001),
    "overlong isbn": add(isbn="-" * 5000 + "9781593275846"),
    "control character": add(title="a\x07b"),
    "NUL in a title": add(title="a\0b"),
    "line break in a title": add(title="a\nb"),
    "lone surrogate": b'{"type":"AddBook","isbn":"9781593275846","title":"\\ud800"}',
    "wrong check digit": add(isbn="9781593275847"),
    "empty isbn": add(isbn=""),
    "isbn of other digits": add(isbn="９７８１５９３２７５８４６"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_gets_a_clear_answer_and_makes_no_event(gateway: GatewayProcess, body: bytes):
    said = problem(gateway.post(body), 400, "malformed")
    assert said["field"]
    problem(gateway.post(BorrowBook("9781593275846", "ann")), 409, "unknown_title")


def test_a_body_too_large_is_refused_by_its_length(gateway: GatewayProcess):
    problem(gateway.post(add() + b" " * 65_536), 413, "too_large")


def test_a_hundred_megabytes_hurt_nobody(gateway: GatewayProcess, title: str):
    def memory() -> int:
        samples = [line for line in gateway.client.get("/metrics").text.splitlines() if "resident" in line]
        return int(float(samples[-1].split()[1]))

    before = memory()
    for whole in (True, False):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.settings.gateway_port, timeout=60)
        piece = b" " * 1_000_000
        headers = {"Content-Type": "application/json", "Idempotency-Key": "big"}
        length = {"Content-Length": str(100 * len(piece))} if whole else {}
        connection.request("POST", "/commands", iter([piece] * 100), headers | length)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
        connection.close()
    assert gateway.post(AddCopies(title, 1)).status_code == 201
    assert memory() - before < 50_000_000


def test_a_sender_that_goes_away_in_the_middle_changes_nothing(gateway: GatewayProcess, title: str):
    with socket.create_connection(("127.0.0.1", gateway.settings.gateway_port)) as connection:
        connection.sendall(
            b"POST /commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Idempotency-Key: gone\r\nContent-Length: 500\r\n\r\n{"type": "AddCopies", '
        )
    problem(gateway.client.get("/commands/gone"), 404, "no_such_command")
    assert gateway.post(AddCopies(title, 1)).json()["events"][0]["version"] == 2


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
def test_what_is_no_route_or_no_method_is_a_problem_too(
    gateway: GatewayProcess, method: str, path: str, status: int, code: str, allow: set[str] | None
):
    answer = gateway.client.request(method, path)
    problem(answer, status, code)
    assert ("allow" in answer.headers) == (allow is not None)
    if allow is not None:
        assert {name.strip() for name in answer.headers["allow"].split(",")} == allow


def test_it_says_how_it_is(gateway: GatewayProcess, title: str):
    assert gateway.client.get("/healthz").json() == {"status": "ok"}
    assert gateway.client.head("/healthz").status_code == 200
    assert gateway.client.get("/readyz").json() == {"ready": True, "troubles": {}}
    counted = gateway.client.get("/metrics").text
    for name in ("answers_total", "batch_commands_sum", "batch_seconds_sum", "open", "waiting", "writable"):
        assert f"library_gateway_{name}" in counted
    document = gateway.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {"/commands", "/commands/{command_id}", "/readyz", "/metrics"}
