"""Three brokers for the session: whole again before each test."""

from collections.abc import Iterator

import pytest

from tests.three_brokers.cluster import Cluster


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The brokers, whatever state the last test left them in."""
    cluster = Cluster(tmp_path_factory.mktemp("three-brokers"))
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(three_brokers: Cluster) -> Cluster:
    """All three running, and every partition on all of them."""
    three_brokers.heal()
    return three_brokers
