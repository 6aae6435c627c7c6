"""A system with two gateways: commands use the first that answers."""

from pathlib import Path

import pytest

from foundation.http.client import Service
from library.process.ports import free_port, is_free
from tests.support.library.installed_system import System
from tests.support.metrics import read_metrics
from tests.support.waiting import eventually


def two_free_ports() -> int:
    """A free port before another free port."""
    while not is_free((port := free_port()) + 1):
        pass
    return port


def answers(url: str) -> int:
    """Commands that the gateway has accepted."""
    with Service(url, 5) as gateway:
        samples = read_metrics(gateway.get(("metrics",), {}).body.decode(), "status")
    return int(samples.get(("library_gateway_answers_total", "201"), 0))


@pytest.mark.slow
def test_commands_use_the_gateway_that_is_left(broker: str, tmp_path: Path):
    system = System(tmp_path)
    system.gateway_port = two_free_ports()
    with system.running("--gateways", "2", "--kafka", broker, "--name", "two-gateways") as done:
        first, second = system.run.gateway.split(",")
        assert f"{first}  {second}" in done.stdout
        assert {"gateway", "gateway-1"} <= set(system.status())
        assert system.library("add", "9781593275846", "Eloquent JavaScript").returncode == 0
        assert answers(first) == 1
        assert system.library("stop", "gateway").returncode == 0
        assert system.library("borrow", "9781593275846", "ann").returncode == 0
        assert answers(second) == 1
        assert system.library("start", "gateway").returncode == 0
        eventually(system.runs)
