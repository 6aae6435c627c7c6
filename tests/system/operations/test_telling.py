"""What a running system tells its operator: logs that a program can read, and the metrics of each process."""

import json
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from library.process.ports import HOST
from tests.system.operations.conftest import Opened
from tests.system.operations.kept_release import ISBNS


def test_every_log_line_is_json_and_names_no_borrower(opened: Opened) -> None:
    assert opened.library("borrow", ISBNS[2], "nobody-is-told").returncode == 0
    assert opened.library("borrow", ISBNS[2], "nobody-is-told").returncode == 3
    services = set()
    for log in (opened.data_dir / "logs").glob("*.log"):
        text = log.read_text("utf-8")
        assert "nobody-is-told" not in text
        for line in text.splitlines():
            said = json.loads(line)
            assert {"time", "level", "service", "logger", "message"} <= said.keys(), line
            services.add(said["service"])
    assert {"projector", "api", "gateway", "audit"} <= services


def test_each_process_serves_its_own_metrics(opened: Opened) -> None:
    for port, own in (
        (opened.port, {"library_api_ready", "library_held_titles", "library_group_lag"}),
        (opened.gateway_port, {"library_gateway_writable", "library_gateway_open"}),
        (opened.metrics_port, {"library_projector_lag", "library_projector_events"}),
        (opened.audit_port, {"library_audit_rows", "library_audit_oldest_row_seconds"}),
    ):
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
            told = {family.name for family in text_string_to_metric_families(answer.read().decode())}
        assert own <= told
        assert "process_resident_memory_bytes" in told
