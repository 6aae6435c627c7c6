"""Gateways that are killed, stopped, doubled, and left without Kafka, while commands come in."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, AddCopies
from schemas.records import Recorded, recorded
from schemas.topics import ensure_topics
from tests.support.brokers import embedded_broker
from tests.support.freezing import freeze, thaw
from tests.support.producer.concurrent_callers import Callers
from tests.support.producer.gateway_process import GatewayProcess, running_gateway
from tests.support.producer.writer_calls import ISBN, OTHER, committed_records
from tests.support.waiting import eventually

TITLES = (ISBN, OTHER)


@pytest.fixture
def system(new_settings: Callable[..., Settings]) -> Settings:
    """Two partitions, with a title in each."""
    return new_settings(partitions=2)


@pytest.fixture
def gateway(system: Settings) -> Iterator[GatewayProcess]:
    """A gateway with the two titles."""
    with running_gateway(system) as running:
        stock(running)
        yield running


def stock(gateway: GatewayProcess) -> None:
    for isbn in TITLES:
        assert gateway.post(AddBook(isbn, "Title")).status_code == 201


def events(settings: Settings) -> list[Recorded]:
    """All events; the versions of each title are 1, 2, 3 … in order."""
    found = [
        recorded(message) for p in range(settings.partitions) for message in committed_records(settings, p)
    ]
    for isbn in TITLES:
        versions = [event.version for event in found if event.event.isbn == isbn]
        assert versions == list(range(1, len(versions) + 1))
    return found


def commands(settings: Settings) -> Counter[str]:
    """How often each command that added copies stands in the log."""
    return Counter(event.command_id for event in events(settings) if event.type == "CopiesAdded")


def test_unknown_outcomes_can_be_resolved_after_a_gateway_was_killed(
    system: Settings, gateway: GatewayProcess
):
    with Callers([gateway], TITLES, 16) as callers:
        eventually(lambda: callers.count(201) > 300)
        gateway.end(signal.SIGKILL)
    doubtful = {one for one in callers.told if one.status is None}
    assert doubtful
    with running_gateway(system) as successor:
        found = {
            one.key: successor.client.get(f"/commands/{one.key}", params={"isbn": one.isbn}).status_code
            for one in doubtful
        }
        log = commands(system)
        assert callers.keys(lambda one: one.status == 201) <= set(log)
        assert {key: 200 if key in log else 404 for key in found} == found

        for one in doubtful:
            answer = successor.post(AddCopies(one.isbn, 1), one.key)
            assert answer.status_code == 201
            assert ("idempotency-replayed" in answer.headers) == (one.key in log)
    assert commands(system) == Counter({one.key: 1 for one in callers.told})


def test_a_stopping_gateway_answers_or_refuses_every_command_it_took(
    system: Settings, gateway: GatewayProcess
):
    with Callers([gateway], TITLES, 16) as callers:
        eventually(lambda: callers.count(201) > 300)
        assert gateway.end(signal.SIGTERM) == 0
    assert {one.status for one in callers.told} <= {201, 503, None}
    assert commands(system) == Counter(callers.keys(lambda one: one.status == 201))
    assert "Traceback" not in gateway.log.read_text("utf-8")


def test_two_gateways_of_one_system_take_turns(system: Settings, gateway: GatewayProcess):
    with running_gateway(system) as other, Callers([gateway, other], TITLES, 8) as callers:
        eventually(lambda: min(answered(gateway), answered(other)) >= 100)
    assert {one.status for one in callers.told} == {201}
    assert commands(system) == Counter({one.key: 1 for one in callers.told})


def answered(gateway: GatewayProcess) -> float:
    """How many commands it says it has answered with 201."""
    lines = gateway.client.get("/metrics").text.splitlines()
    named = 'library_gateway_answers_total{status="201"} '
    return float(next((line for line in lines if line.startswith(named)), "x 0").split()[1])


@pytest.mark.slow
def test_a_gateway_reports_missing_kafka_and_recovers(tmp_path: Path):
    with embedded_broker(tmp_path / "kafka") as kafka:
        settings = Settings(
            kafka=kafka.bootstrap, name="away", data_dir=str(tmp_path / "data"), partitions=2, deadline=2
        )
        ensure_topics(AdminClient(client_config(settings)), settings)
        with running_gateway(settings) as gateway:
            stock(gateway)
            freeze(kafka.process.pid)
            try:
                first = gateway.post(AddCopies(ISBN, 1), "first")
                assert first.status_code in (503, 504)
                assert gateway.client.get("/readyz").status_code == 503
                second = gateway.post(AddCopies(ISBN, 1), "second")
                assert (second.status_code, second.json()["code"]) == (503, "unavailable")
                assert gateway.client.get("/commands/first").status_code == 503
                assert gateway.client.get("/healthz").status_code == 200
            finally:
                thaw(kafka.process.pid)
            eventually(gateway.is_ready)
            assert gateway.client.get("/commands/second").status_code == 404
            assert gateway.post(AddCopies(ISBN, 1), "first").status_code == 201
            assert gateway.post(AddCopies(ISBN, 1), "second").status_code == 201
            assert commands(settings) == Counter(["first", "second"])


def test_a_running_gateway_refuses_commands_once_partitions_were_added(
    system: Settings, gateway: GatewayProcess
):
    admin, store = AdminClient(client_config(system)), events_topic(system)
    admin.create_partitions([NewPartitions(store, system.partitions + 1)])[store].result(20)
    eventually(lambda: len(gateway.client.get("/readyz").json()["troubles"]) == system.partitions, limit=60)
    assert gateway.client.get("/readyz").status_code == 503
    said = f"has {system.partitions + 1} partitions, the settings say {system.partitions}"
    assert said in gateway.client.get("/readyz").text
    refused = gateway.post(AddCopies(ISBN, 1), "late")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert said in refused.json()["detail"]


def test_a_gateway_names_a_port_in_use(gateway: GatewayProcess):
    second = GatewayProcess(gateway.settings)
    second.settings = gateway.settings
    second.launch()
    assert second.process is not None
    assert second.process.wait(30) == 69
    assert "choose another port" in second.log.read_text("utf-8")
