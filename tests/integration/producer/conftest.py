"""A gateway that tests share, and titles for it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from inventory import isbn as identifiers
from inventory.commands import AddBook
from tests.support.producer.gateway_process import GatewayProcess, running_gateway
from tests.support.stores import new_store


@pytest.fixture(scope="session")
def gateway(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all tests that leave it alone, each of which has titles of its own."""
    with running_gateway(new_store(broker, tmp_path_factory.mktemp("gateway"), partitions=2)) as running:
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
