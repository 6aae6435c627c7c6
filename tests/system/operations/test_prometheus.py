"""Prometheus with the configuration of deploy/monitoring, and a running system."""

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml  # type: ignore[import-untyped]

from library.process.die_with_parent import dying_with_me
from library.process.ports import HOST, free_port
from tests.support.waiting import eventually
from tests.system.operations.conftest import Opened
from tests.system.operations.kept_release import ISBNS

FOLDER = Path(__file__).parents[3] / "deploy" / "monitoring"
PROMETHEUS = shutil.which("prometheus")
JOBS = {"library_gateway", "library_query_api", "library_projector", "library_audit"}

pytestmark = pytest.mark.skipif(
    PROMETHEUS is None, reason="prometheus is not installed: on Debian, apt-get install prometheus"
)


class Prometheus:
    """A running Prometheus, asked over its HTTP API."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ready(self) -> bool:
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def ask(self, path: str) -> Any:
        """The data of an answer of its API."""
        status, body = self._get(f"/api/v1/{path}")
        assert status == 200, body
        return json.loads(body)["data"]

    def result_of(self, expression: str) -> list[Any]:
        """The present samples of an expression."""
        found: list[Any] = self.ask(f"query?query={quote(expression)}")["result"]
        return found

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def prometheus(opened: Opened, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus as configured, but with the addresses of the system, and with minutes as seconds."""
    config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text("utf-8"))
    config["global"] = dict.fromkeys(config["global"], "1s")
    ports = {
        "gateway": opened.gateway_port, "query_api": opened.port, "projector": opened.metrics_port,
        "audit": opened.audit_port,
    }  # fmt: skip
    # The system of these tests has no notary
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in JOBS]
    for job in config["scrape_configs"]:
        ((names,),) = [found["names"] for found in job.pop("dns_sd_configs")]
        job["static_configs"] = [{"targets": [f"{HOST}:{ports[names]}"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    rules = (FOLDER / "prometheus" / "rules.yml").read_text("utf-8")
    (tmp_path / "rules.yml").write_text(re.sub(r"for: (\d+)m", r"for: \1s", rules))
    port = free_port()
    command = [
        PROMETHEUS or "", f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={HOST}:{port}",
    ]  # fmt: skip
    log = tmp_path / "prometheus.log"
    with log.open("wb") as output, subprocess.Popen(dying_with_me(command), stderr=output) as process:
        running = Prometheus(port)
        try:
            eventually(lambda: process.poll() is not None or running.ready())
            assert process.poll() is None, log.read_text("utf-8")
            yield running
        finally:
            process.kill()


def up(prometheus: Prometheus) -> dict[str, str]:
    """Whether the target of each job answers."""
    return {
        target["labels"]["job"]: target["health"] for target in prometheus.ask("targets")["activeTargets"]
    }


def firing(prometheus: Prometheus) -> set[str]:
    return {
        alert["labels"]["alertname"]
        for alert in prometheus.ask("alerts")["alerts"]
        if alert["state"] == "firing"
    }


def test_targets_are_up_panels_have_data_and_a_stopped_projector_raises_an_alert(
    opened: Opened, prometheus: Prometheus
) -> None:
    assert opened.send("for-prometheus", type="AddCopies", isbn=ISBNS[0], quantity=1)[0] == 201
    eventually(lambda: up(prometheus) == dict.fromkeys(JOBS, "up"))

    (group,) = prometheus.ask("rules")["groups"]
    written = yaml.safe_load((FOLDER / "prometheus" / "rules.yml").read_text("utf-8"))["groups"][0]["rules"]
    assert [rule["name"] for rule in group["rules"]] == [rule["alert"] for rule in written]
    eventually(lambda: {rule["health"] for rule in prometheus.ask("rules")["groups"][0]["rules"]} == {"ok"})

    dashboard = json.loads((FOLDER / "grafana" / "dashboards" / "library.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            eventually(lambda wanted=target["expr"]: prometheus.result_of(wanted))

    assert "LibraryProcessDown" not in firing(prometheus)
    assert opened.library("stop", "projector").returncode == 0
    try:
        eventually(lambda: "LibraryProcessDown" in firing(prometheus))
        assert up(prometheus)["library_projector"] == "down"
    finally:
        assert opened.library("start", "projector").returncode == 0
    eventually(lambda: up(prometheus) == dict.fromkeys(JOBS, "up"))
    eventually(lambda: "LibraryProcessDown" not in firing(prometheus))
