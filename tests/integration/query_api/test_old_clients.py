"""Requests of HTTP/1.0, which has no Host, no chunks, and a connection for each request."""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.events import BookAdded
from schemas.topics import ensure_topics
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.loan_traffic import AT, A, running_api, store_writer
from tests.support.raw_http import exchange


@pytest.fixture(scope="module")
def api(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    settings = Settings(kafka=broker, name="test-http-1-0", data_dir=str(tmp_path_factory.mktemp("http-1-0")))
    ensure_topics(AdminClient(client_config(settings)), settings)
    store_writer(settings).commit(BookAdded(A, "T", "A", 2, AT))
    with running_api(settings) as running:
        yield running


PATHS = [f"/inventory/{A}", "/inventory", "/inventory/978-1593275846", "/stats", "/openapi.json", "/healthz"]


@pytest.mark.parametrize("path", PATHS)
def test_a_request_of_http_1_0_without_a_host_is_answered(api: ApiProcess, path: str):
    answer = exchange(api.settings.port, f"GET {path} HTTP/1.0\n\n")
    expected = api.client.get(path)
    assert answer.status == expected.status_code == 200
    assert answer.headers["etag"] == expected.headers["etag"]
    assert answer.body == expected.content


def test_head_and_if_none_match_work_in_http_1_0(api: ApiProcess):
    head = exchange(api.settings.port, "HEAD /inventory HTTP/1.0\n\n")
    assert (head.status, head.body) == (200, b"")
    lines = f'If-None-Match: "a"\nIf-None-Match: {head.headers["etag"]}\n'
    assert exchange(api.settings.port, f"GET /inventory HTTP/1.0\n{lines}\n").status == 304


def test_an_unknown_host_is_refused_in_http_1_0_too(api: ApiProcess):
    answer = exchange(api.settings.port, "GET /inventory HTTP/1.0\nHost: evil.example\n\n")
    assert (answer.status, answer.value["code"]) == (421, "unknown_host")


def test_http_1_1_requires_a_host(api: ApiProcess):
    answer = exchange(api.settings.port, "GET /inventory HTTP/1.1\nConnection: close\n\n")
    assert (answer.status, answer.value["code"]) == (400, "no_host")
