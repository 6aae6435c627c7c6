"""Which gateways and query APIs a query API finds, and how each is."""

import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from foundation.settings import Settings
from query_api.http.group_lag import GroupLags
from query_api.http.services import ApiSample, GatewaySample, Services

ME = "this-one"
ANYWHERE = "http://127.0.0.1:9"
"""Nothing listens on this port."""
Report = dict[str, Any]
Reporting = Callable[..., str]


@pytest.fixture
def reporting() -> Iterator[Reporting]:
    """Starts a service that reports ``report`` on 127.0.0.1, or on another host and port; returns its URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(report: Report, host: str = "127.0.0.1", port: int = 0) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(report).encode()
                self.send_response(200 if report["ready"] else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer((host, port), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://{host}:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def gateway(address: str, partitions: list[int], **more: Any) -> Report:
    return {
        "service": "gateway", "ready": True, "troubles": {}, "partitions": partitions, "others": {},
        "address": address,
    } | more  # fmt: skip


def api(instance: str, position: str = "0:5,1:7", behind: str = "", **more: Any) -> Report:
    return {
        "service": "api", "instance": instance, "ready": True, "trouble": None, "position": position,
        "behind": behind,
    } | more  # fmt: skip


class Members:
    """The gateways' group, as Kafka reports it."""

    def __init__(self, members: dict[str, list[int]] | None) -> None:
        self.members = members

    def gateways(self) -> dict[str, list[int]]:
        if self.members is None:
            raise KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
        return self.members


def services(members: dict[str, list[int]] | None = None, **settings: str) -> Services:
    given = {"gateway": "", "api": ANYWHERE} | settings
    return Services(Settings(**cast(Any, given)), cast(GroupLags, Members(members)), ME)


def test_every_gateway_of_the_setting_and_of_the_group_is_asked(reporting: Reporting):
    one = reporting(gateway("", [0]))
    other = reporting(gateway("", [1, 2]))
    found = services({other: [1, 2]}, gateway=f"{one},{ANYWHERE}").gateways()
    by_url = {sample.url: sample for sample in found}
    assert by_url.keys() == {one, other, ANYWHERE}
    assert by_url[other] == GatewaySample(other, True, "", [1, 2])
    assert by_url[one].ready
    assert not by_url[ANYWHERE].ready
    assert ANYWHERE in by_url[ANYWHERE].trouble


def test_a_gateway_with_two_addresses_is_one(reporting: Reporting):
    report = gateway("", [0, 1])
    url = reporting(report)
    report["address"] = url
    name = url.replace("127.0.0.1", "localhost")
    assert services({url: [0, 1]}, gateway=name).gateways() == [GatewaySample(url, True, "", [0, 1])]


def test_a_member_that_does_not_answer_keeps_its_partitions_in_the_list():
    (sample,) = services({ANYWHERE: [3]}).gateways()
    assert (sample.ready, sample.partitions) == (False, [3])


def test_without_kafka_the_gateways_report_each_other(reporting: Reporting):
    other = reporting(gateway("", [1]))
    one = reporting(gateway("", [0], others={other: [1]}))
    found = services(None, gateway=one).gateways()
    assert {sample.url: sample.partitions for sample in found} == {one: [0], other: [1]}
    assert all(sample.ready for sample in found)


def test_the_trouble_of_each_partition_is_reported(reporting: Reporting):
    url = reporting(gateway("", [0, 1], ready=False, troubles={"1": "Kafka is away"}))
    (sample,) = services({}, gateway=url).gateways()
    assert (sample.ready, sample.trouble) == (False, "partition 1: Kafka is away")


def test_another_program_at_the_address_is_no_gateway(reporting: Reporting):
    url = reporting(api("x"))
    (sample,) = services({}, gateway=url).gateways()
    assert (sample.ready, sample.trouble) == (False, f"another program answers at {url}")


@pytest.fixture
def several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name query_api has three addresses, as in a network of containers."""
    resolve = socket.getaddrinfo

    def answer(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host != "query_api":
            return resolve(host, port, *more, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port)) for last in (1, 2, 3)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.usefixtures("several_addresses")
def test_the_query_apis_of_one_name_are_found_and_this_one_is_not_among_them(reporting: Reporting):
    port = int(reporting(api(ME)).rpartition(":")[2])
    second = reporting(api("second", behind="1:9"), "127.0.0.2", port)
    third = reporting(api("third", ready=False, behind="0:9"), "127.0.0.3", port)
    assert services(api=f"http://query_api:{port}").apis() == [
        ApiSample(second, True, "", 2),
        ApiSample(third, False, "it has not caught up yet", 4),
    ]


@pytest.mark.usefixtures("several_addresses")
def test_a_query_api_is_missed_once_it_has_answered(reporting: Reporting):
    port = int(reporting(api(ME)).rpartition(":")[2])
    report = api("second")
    url = reporting(report, "127.0.0.2", port)
    found = services(api=f"http://query_api:{port}")
    assert [sample.url for sample in found.apis()] == [url]
    report["service"] = "something else"
    (sample,) = found.apis()
    assert (sample.url, sample.ready, sample.lag) == (url, False, None)


def test_an_address_at_which_nothing_ever_answered_is_no_query_api():
    assert services().apis() == []
