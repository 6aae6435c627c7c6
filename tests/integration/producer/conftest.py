"""A gateway that tests share, and titles for it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory import isbn as identifiers
from inventory.commands import AddBook
from schemas.topics import ensure_topics
from tests.support.producer.gateway_process import GatewayProcess, running_gateway


@pytest.fixture(scope="session")
def gateway(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all tests that leave it alone, each of which has titles of its own."""
    name = f"test-{uuid4().hex[:12]}"
    settings = Settings(kafka=broker, name=name, data_dir=str(tmp_path_factory.mktemp(name)), partitions=2)
    ensure_topics(AdminClient(client_config(settings)), settings)
    with running_gateway(settings) as running:
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
