import json

import pytest
from litestar import Litestar, get
from litestar.params import FromQuery
from litestar.testing import TestClient

from foundation.http.callers import AllowedHosts
from foundation.http.errors import problem_response
from foundation.http.problem import PROBLEM_JSON, Problem
from foundation.settings import Settings

CALLERS = AllowedHosts(Settings(api="http://books.example:8080", gateway="https://desk.example"))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8081",
        "localhost.:8081",
        "books.example.",
        "127.0.0.1:8081",
        "[::1]:8081",
        "10.1.2.3",
        "books.example",
        "desk.example:1",
    ],
)
def test_the_services_names_and_addresses_are_allowed_hosts(host: str) -> None:
    CALLERS.check(host, None)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        " ",
        "[::1",
        "a/localhost",
        "x@localhost",
        "l" * 300,
        "localhost:abc",
        "127.0.0.1:99999",
        "127.0.0.1:+80",
        "[::1]:-1",
        "localhost:80:80",
    ],
)
def test_a_foreign_host_name_is_refused(host: str) -> None:
    with pytest.raises(Problem) as refused:
        CALLERS.check(host, None)
    assert refused.value.status == 421


def test_a_request_without_a_host_is_malformed_unless_it_is_of_http_1_0() -> None:
    for missing in (None, ""):
        with pytest.raises(Problem) as refused:
            CALLERS.check(missing, None)
        assert refused.value.status == 400
        for version in ("1.0", "1"):
            CALLERS.check(missing, None, version)


def test_only_pages_of_the_same_host_and_port_may_use_the_service() -> None:
    CALLERS.check("localhost:8081", "http://localhost:8081")
    for origin in ("http://localhost:3000", "http://evil.example", "null", ""):
        with pytest.raises(Problem) as refused:
            CALLERS.check("localhost:8081", origin)
        assert refused.value.status == 403


def test_a_problem_document_has_its_five_members_and_extensions() -> None:
    document = json.loads(Problem(409, "on_loan", "return it first", borrowers=["ann"]).body())
    assert document == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "return it first",
        "code": "on_loan",
        "borrowers": ["ann"],
    }


@get("/number")
async def number(at: FromQuery[int]) -> int:
    return at


@get("/broken", sync_to_thread=False)
def broken() -> int:
    raise RuntimeError("the password is swordfish")


APP = Litestar([number, broken], exception_handlers={Exception: problem_response})


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "no_such_route"),
        ("POST", "/number", 405, "method_not_allowed"),
        ("GET", "/number?at=x", 400, "malformed"),
        ("GET", "/broken", 500, "internal"),
    ],
)
def test_every_error_of_the_framework_is_a_problem_document(
    method: str, path: str, status: int, code: str
) -> None:
    with TestClient(APP, raise_server_exceptions=False) as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert answer.json()["code"] == code
    assert "swordfish" not in answer.text
    assert ("allow" in answer.headers) == (status == 405)
