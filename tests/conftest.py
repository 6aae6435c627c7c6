"""Fixtures for all tests: one real broker per session, and a new system per test."""

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from foundation.settings import Settings
from tests.support.brokers import Broker, broker_for_tests
from tests.support.stores import new_store

# Tests must not depend on the speed of the machine, which others may be using
hypothesis_settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any-speed")

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    # Hundreds of child processes import the same modules: compiled each time, their starts took twice as long
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix) / "bytecode")
    sys.dont_write_bytecode = False

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore it, and so would the programs that tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)

for name in [name for name in os.environ if name.startswith("LIBRARY_")]:
    # The settings of the caller's shell are not those of a test, nor of the processes that it starts
    if not name.startswith("LIBRARY_TEST_"):
        del os.environ[name]

_running: list[Broker] = []


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spread the tests over processes (``make test``)."""
    from tests.support.parallel import make_scheduler

    return make_scheduler(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of xdist: the order in which the scheduler hands tests out."""
    if hasattr(config, "workerinput"):
        from tests.support.parallel import start_order

        items.sort(key=lambda item: start_order(item.nodeid))


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
    return partial(new_store, broker, tmp_path)


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A fresh system of three partitions: as telling as the default 8, and quicker to make."""
    return new_settings(partitions=3)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the broker's log if a test that uses it fails."""
    report = yield
    if report.failed and _running and "broker" in getattr(item, "fixturenames", ()):
        report.sections.append(("broker", "".join(_running[0].log_text().splitlines(keepends=True)[-20:])))
    return report
