"""Which gateways and query APIs a query API finds, and how each is."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from foundation.settings import Settings
from query_api.http.audit import AuditOperation, DifferenceOperation, StallOperation
from query_api.http.group_lag import GroupLags
from query_api.http.other_apis import FORGOTTEN_AFTER_S, MISSED_AFTER_S, ApiSample, OtherApis
from query_api.http.services import GatewaySample, Services
from tests.support import http_server

ME = "this-one"
ANYWHERE = "http://127.0.0.1:9"
"""Nothing listens on this port."""
Report = dict[str, Any]
Reporting = Callable[..., str]


@pytest.fixture
def reporting() -> Iterator[Reporting]:
    """Starts services on 127.0.0.1, or on another host and port, and returns their URL.

    They report ``reports`` in turn, as behind a proxy.
    """
    servers = ExitStack()

    def start(*reports: Report, host: str = "127.0.0.1", port: int = 0) -> str:
        turns = cycle(reports)

        class Handler(http_server.Handler):
            def do_GET(self) -> None:
                report = next(turns)
                self.respond(200 if report["ready"] else 503, json.dumps(report).encode())

        return servers.enter_context(http_server.serving(Handler, host, port))

    with servers:
        yield start


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
    second = reporting(api("second", behind="1:9"), host="127.0.0.2", port=port)
    third = reporting(api("third", ready=False, behind="0:9"), host="127.0.0.3", port=port)
    assert services(api=f"http://query_api:{port}").apis() == [
        ApiSample(second, "second", True, "", 2),
        ApiSample(third, "third", False, "it has not caught up yet", 4),
    ]


@pytest.mark.usefixtures("several_addresses")
def test_a_query_api_is_missed_once_it_has_answered(reporting: Reporting):
    port = int(reporting(api(ME)).rpartition(":")[2])
    report = api("second")
    url = reporting(report, host="127.0.0.2", port=port)
    found = services(api=f"http://query_api:{port}")
    assert [sample.url for sample in found.apis()] == [url]
    report["service"] = "something else"
    (sample,) = found.apis()
    assert (sample.url, sample.ready, sample.lag) == (url, False, None)


def test_the_audit_in_the_settings_is_asked_for_what_it_has_found(reporting: Reporting):
    assert services().audit() is None
    unanswered = services(audit=ANYWHERE).audit()
    assert unanswered
    assert (unanswered.ready, ANYWHERE in unanswered.trouble) == (False, True)
    difference = {"isbn": "9781593275846", "summary": "quantity 5, not 2", "event": "0:7", "record": None}
    report = {
        "service": "audit", "ready": True, "trouble": "", "rows_compared": 7, "differences": 1,
        "oldest_seconds": {"0": 3.0, "1": 9.0}, "period_seconds": 60.0,
        "details": [difference | {"what": "differs"}],
        "stalls": [{"group": "library-projector", "partition": p, "seconds": 90.0 * p} for p in (0, 1, 2)],
    }  # fmt: skip
    url = reporting(report)
    found = services(audit=url).audit()
    assert found == AuditOperation(
        url, True, "", 7, 1, 9.0, 60.0, [DifferenceOperation(**cast(Any, difference))],
        [StallOperation("library-projector", 2, 180.0)],
    )  # fmt: skip
    del report["details"]
    unreadable = services(audit=url).audit()
    assert unreadable
    assert (unreadable.ready, "details" in unreadable.trouble) == (False, True)


def test_an_address_at_which_nothing_ever_answered_is_no_query_api():
    assert services().apis() == []


class Proxied:
    """The query APIs behind one address, and a clock; ``reports`` are given in turn."""

    def __init__(self, *names: str) -> None:
        self.reports: list[Report] = []
        self.lead_to(*names)
        self.found = OtherApis(ANYWHERE, ME, ThreadPoolExecutor(1))
        self.found.clock = lambda: self.now
        self.now = 0.0
        self._next = 0

    def lead_to(self, *names: str) -> None:
        self.reports = [api(name) for name in names]

    def answer(self, url: str, service: str) -> Report | str:
        assert (url, service) == (ANYWHERE, "api")
        self._next += 1
        return self.reports[self._next % len(self.reports)] if self.reports else "nothing answers"

    def names(self, ready: bool = True) -> list[str | None]:
        return [sample.instance for sample in self.found.samples() if sample.ready == ready]


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Proxied]:
    """Makes query APIs behind one address."""

    def make(*names: str) -> Proxied:
        made = Proxied(*names)
        monkeypatch.setattr("query_api.http.other_apis.report_of", made.answer)
        return made

    return make


def test_query_apis_behind_one_address_are_found_by_their_names(reporting: Reporting):
    url = reporting(api("b", behind="1:9"), api(ME), api("c"))
    found = services(api=url).apis()
    assert found == [ApiSample(url, "b", True, "", 2), ApiSample(url, "c", True, "", 0)]


def test_one_that_a_sample_does_not_meet_is_still_listed(proxied: Callable[..., Proxied]):
    behind = proxied("b", ME, "c")
    assert behind.names() == ["b", "c"]
    behind.lead_to("b")
    behind.now = MISSED_AFTER_S - 1
    assert behind.names() == ["b", "c"]


def test_one_that_is_not_met_any_more_is_missing_and_forgotten_later(proxied: Callable[..., Proxied]):
    behind = proxied("b", ME, "c")
    behind.names()
    behind.lead_to("b")
    behind.now = MISSED_AFTER_S
    (missing,) = [sample for sample in behind.found.samples() if not sample.ready]
    assert (missing.instance, missing.lag) == ("c", None)
    assert missing.trouble == "it has not answered for 60 s"
    behind.now = FORGOTTEN_AFTER_S
    assert behind.names(ready=False) == []
    assert behind.names() == ["b"]


def test_a_missing_one_is_replaced_by_one_with_a_new_name(proxied: Callable[..., Proxied]):
    behind = proxied("b", ME, "c")
    behind.names()
    behind.lead_to("b", "d")
    assert behind.names() == ["b", "c", "d"]
    behind.now = MISSED_AFTER_S
    behind.lead_to("b", "d", "e")
    assert behind.names() == ["b", "d", "e"]
    assert behind.names(ready=False) == []


def test_an_address_of_one_query_api_has_a_new_one_after_a_restart(proxied: Callable[..., Proxied]):
    alone = proxied("b")
    assert alone.names() == ["b"]
    alone.lead_to("c")
    assert alone.names() == ["c"]
    assert alone.names(ready=False) == []
    alone.lead_to()
    assert alone.names(ready=False) == ["c"]


def test_a_proxy_that_does_not_answer_is_reported_once(proxied: Callable[..., Proxied]):
    behind = proxied("b", ME)
    behind.names()
    behind.lead_to()
    failed = [sample for sample in behind.found.samples() if not sample.ready]
    assert failed == [ApiSample(ANYWHERE, None, False, "nothing answers", None)]
