"""Asking a service over HTTP: kept connections, answers that are none."""

from collections.abc import Iterator

import pytest

from foundation.http.client import NoAnswer, Service
from tests.support import http_server


class Handler(http_server.Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"detail": "not here"}' if self.path.startswith("/problem") else self.path.encode()
        self.respond(404 if self.path.startswith("/problem") else 200, body)
        # As a server does with a connection that was idle for long, without a word
        self.close_connection = True


@pytest.fixture
def url() -> Iterator[str]:
    with http_server.serving(Handler) as address:
        yield f"{address}/base/"


def test_paths_and_parameters_are_quoted(url: str) -> None:
    with Service(url, 5) as service:
        answer = service.get(("inventory", "a/b č"), {"at": "1+2", "q": None})
        assert (answer.status, answer.body) == (200, b"/base/inventory/a%2Fb%20%C4%8D?at=1%2B2")


def test_the_http_client_reopens_a_closed_connection(url: str) -> None:
    with Service(url, 5) as service:
        assert [service.get(("x",), {}).status for _ in range(3)] == [200, 200, 200]


def test_a_problem_response_is_reported_as_a_sentence(url: str) -> None:
    with Service(url.replace("/base/", ""), 5) as service:
        assert service.get(("problem",), {}).detail == "not here"
        assert service.get(("other",), {}).detail == "status 200"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1",
        "http://127.0.0.1:1/",
        "ftp://x",
        "127.0.0.1:8080",
        "",
        "http://h:x",
        "http://[::1",
    ],
)
def test_an_unreachable_service_is_named_with_its_address(address: str) -> None:
    with pytest.raises(NoAnswer) as error, Service(address, 1) as service:
        service.get(("inventory",), {})
    assert address in str(error.value)
