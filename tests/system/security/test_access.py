"""Access to a shared Kafka: who may write, and the messages for a wrong password or certificate."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from eventstore.topics import events_topic
from foundation.cli import exits
from foundation.kafka_clients import client_config, why
from foundation.settings import Settings
from library.process.ports import HOST, free_port
from tests.support.waiting import eventually
from tests.system.security.processes import library, running_service
from tests.system.security.secured_broker import as_user


def test_a_consumer_groups_user_may_not_write_the_event_store(shared: Settings) -> None:
    user = as_user("reporting", shared)
    refused = []
    producer = Producer(client_config(user))
    producer.produce(
        events_topic(user),
        b"forged",
        b"9781593275846/1",
        0,
        on_delivery=lambda error, _: refused.append(error),
    )
    producer.flush(30)
    assert [error.code() for error in refused] == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


def test_a_consumer_groups_user_may_not_fence_the_writer(shared: Settings) -> None:
    user = as_user("reporting", shared)
    producer = Producer(client_config(user) | {"transactional.id": f"{events_topic(user)}-0"})
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(30)
    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_a_stranger_sees_nothing(shared: Settings) -> None:
    said = library(as_user("stranger", shared), "topics", "describe")
    assert said.returncode == exits.UNAVAILABLE
    assert "authorization failed" in said.stderr
    assert "`library topics acl`" in said.stderr


def test_a_projector_with_the_acls_of_a_release_before_the_second_table_says_what_to_do(
    shared: Settings, tmp_path: Path
) -> None:
    user = replace(as_user("stranger", shared), data_dir=str(tmp_path), deadline=2.0)
    before = library(user, "rebuild", "status")
    assert before.returncode == exits.UNAVAILABLE
    log = tmp_path / "projector.log"
    with running_service(user, log, "projector") as process:
        assert process.wait(60) == exits.UNAVAILABLE
    for said in (before.stderr, log.read_text("utf-8")):
        assert "library.tables: " in said
        assert "user 'stranger' lacks an ACL" in said
        assert "`library topics acl`" in said


@pytest.mark.parametrize("command", [("events",), ("add", "9781593275846", "Elixir in Action")])
def test_a_wrong_password_is_reported_as_one(shared: Settings, command: tuple[str, ...]) -> None:
    user = replace(as_user("reporting", shared, password="of-yesterday"), deadline=2.0)
    said = library(user, *command)
    assert said.returncode == exits.UNAVAILABLE
    assert "rejects user 'reporting'" in said.stderr
    assert "LIBRARY_KAFKA_PASSWORD" in said.stderr
    assert "of-yesterday" not in said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_each_service_and_the_doctor_name_a_wrong_password(shared: Settings, tmp_path: Path) -> None:
    port, gateway_port = free_port(), free_port()
    user = replace(
        as_user("library-writer", shared, password="of-yesterday"),
        port=port,
        gateway_port=gateway_port,
        gateway=f"http://{HOST}:{gateway_port}",
        data_dir=str(tmp_path),
        deadline=2.0,
    )
    log = tmp_path / "projector.log"
    with (
        running_service(user, tmp_path / "gateway.log", "producer", "gateway"),
        running_service(user, tmp_path / "api.log", "query_api"),
        running_service(user, log, "projector"),
    ):
        for told in (
            lambda: readiness(gateway_port),
            lambda: readiness(port),
            lambda: log.read_text("utf-8"),
            # Its own password is right
            lambda: library(replace(shared, gateway=user.gateway), "doctor").stdout,
        ):
            eventually(lambda told=told: "LIBRARY_KAFKA_PASSWORD" in told())
    said = library(user, "doctor", "--json")
    assert said.returncode == exits.FAILED
    [broker] = [line for line in map(json.loads, said.stdout.splitlines()) if line["check"] == "broker"]
    assert "LIBRARY_KAFKA_PASSWORD" in broker["found"]
    assert "library config show" in broker["fix"]


def readiness(port: int) -> str:
    """The service's /readyz, whatever its status."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=10) as answer:
            said: str = answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError as error:
        return str(error)
    return said


def test_a_certificate_of_an_unknown_authority_is_reported_as_one(shared: Settings) -> None:
    untrusting = replace(shared, kafka_ca="")
    with pytest.raises(KafkaException) as away:
        AdminClient(client_config(untrusting)).list_topics(timeout=1)
    assert "certificate is not trusted" in why(untrusting, away.value)
    assert "LIBRARY_KAFKA_CA" in why(untrusting, away.value)
