"""The broker that integration tests run against: in a container, embedded, or one that runs already."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.broker.kafka import Node
from library.process.ports import free_port
from tests.support.embedded_kafka import Kafka
from tests.support.waiting import eventually

CHOICE = "LIBRARY_TEST_BROKER"
"""``docker``, ``embedded`` or ``HOST:PORT``; unset: a container where there is an engine with the image."""


class Broker(Struct, frozen=True):
    """The address of the broker of the tests, and its log so far."""

    bootstrap: str
    log_text: Callable[[], str]


@contextmanager
def broker_for_tests(home: Path) -> Iterator[Broker]:
    """The broker that the environment asks for."""
    match os.environ.get(CHOICE) or ("docker" if _image_is_there() else "embedded"):
        case "docker":
            with container_broker() as broker:
                yield broker
        case "embedded":
            with embedded_broker(home) as kafka:
                yield Broker(kafka.bootstrap, lambda: kafka.log.read_text("utf-8"))
        case address if ":" in address:
            yield Broker(address, lambda: f"{address} is not ours: see its own log")
        case other:
            raise pytest.UsageError(f"{CHOICE} is docker, embedded or HOST:PORT, not {other!r}")


@contextmanager
def embedded_broker(home: Path) -> Iterator[Kafka]:
    """A broker of our own, stopped at the end; the page cache is durable enough for tests."""
    kafka = Kafka(Node(home=home, port=free_port(), durability="os"), os.environ)
    try:
        yield kafka
    finally:
        kafka.stop()


@contextmanager
def container_broker() -> Iterator[Broker]:
    """A broker in a container, removed at the end."""
    from tests.support.broker_container import BrokerContainer

    with BrokerContainer() as container:
        bootstrap = container.bootstrap
        admin = AdminClient(client_config(Settings(kafka=bootstrap)))
        eventually(lambda: _answers(admin))
        yield Broker(bootstrap, container.log_text)


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def _image_is_there() -> bool:
    if shutil.which("docker") is None:
        return False
    image = os.environ.get("KAFKA_IMAGE", "apache/kafka:4.2.2")
    try:
        result = subprocess.run(
            ["docker", "image", "inspect", image], capture_output=True, timeout=10, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0
