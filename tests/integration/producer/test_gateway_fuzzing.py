"""Hostile bodies and requests: a clear answer, no event, and the process lives."""

import http.client
import json
import socket
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from inventory.commands import AddCopies, BorrowBook
from tests.support.producer.gateway_process import GatewayProcess, problem


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
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_gets_a_clear_answer_and_makes_no_event(gateway: GatewayProcess, body: bytes):
    said = problem(gateway.post(body), 400, "malformed")
    assert said["field"]
    problem(gateway.post(BorrowBook("9781593275846", "ann")), 409, "unknown_title")


def test_a_body_too_large_is_refused_by_its_length(gateway: GatewayProcess):
    problem(gateway.post(add() + b" " * 65_536), 413, "too_large")


def test_a_body_of_a_hundred_megabytes_harms_no_other_caller(gateway: GatewayProcess, title: str):
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


def test_a_client_that_disconnects_during_its_request_changes_nothing(gateway: GatewayProcess, title: str):
    with socket.create_connection(("127.0.0.1", gateway.settings.gateway_port)) as connection:
        connection.sendall(
            b"POST /commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b'Idempotency-Key: gone\r\nContent-Length: 500\r\n\r\n{"type": "AddCopies", '
        )
    problem(gateway.client.get("/commands/gone"), 404, "no_such_command")
    assert gateway.post(AddCopies(title, 1)).json()["events"][0]["version"] == 2


@pytest.fixture(scope="module")
def document(gateway: GatewayProcess) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{gateway.settings.gateway}/openapi.json")


REQUESTS = [("/commands", "POST"), ("/commands/{command_id}", "GET")]
PLAIN = ["/docs", "/healthz", "/metrics", "/readyz", "/time"]
"""Routes that take nothing, so that nothing in a request can be wrong."""
TRIED = [
    (*request, mode) for request in REQUESTS for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
]
TRIED += [(path, "GET", GenerationMode.POSITIVE) for path in PLAIN]


def test_fuzzing_covers_every_gateway_route(document: BaseSchema):
    operations: Any = document.get_all_operations()
    documented = {operation.ok().path for operation in operations}
    assert documented == {path for path, _ in REQUESTS} | set(PLAIN)


@pytest.mark.parametrize(("path", "method", "mode"), TRIED)
def test_the_gateway_answers_every_fuzzed_request_as_documented(
    document: BaseSchema, path: str, method: str, mode: GenerationMode
):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    def answered(case: schemathesis.Case) -> None:
        # A check digit is more than a schema can ask for
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answered()
