"""Fixtures for all tests: one real broker per session, and a new system per test."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics
from tests.support.brokers import Broker, broker_for_tests

# Tests must not depend on the speed of the machine, which others may be using
hypothesis_settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any-speed")

_running: list[Broker] = []


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of the session's broker."""
    with broker_for_tests(tmp_path_factory.mktemp("kafka")) as found:
        _running.append(found)
        yield found.bootstrap
        _running.clear()


@pytest.fixture
def new_settings(broker: str, tmp_path: Path) -> Callable[..., Settings]:
    """Make the settings of a fresh system, with what is given changed: ``new_settings(partitions=1)``.

    It has a name and a data directory of its own, and its topics.
    """

    def make(**changes: Any) -> Settings:
        name = f"test-{uuid4().hex[:12]}"
        values: dict[str, Any] = {"kafka": broker, "name": name, "data_dir": str(tmp_path / name)}
        settings = Settings(**values | changes)
        ensure_topics(AdminClient(client_config(settings)), settings)
        return settings

    return make


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A fresh system with the default 8 partitions."""
    return new_settings()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the broker's log if a test that uses it fails."""
    report = yield
    if report.failed and _running and "broker" in getattr(item, "fixturenames", ()):
        report.sections.append(("broker", "".join(_running[0].log_text().splitlines(keepends=True)[-20:])))
    return report
