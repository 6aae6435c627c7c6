"""The audit over HTTP."""

import http.client
import json
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audit.differences import Difference, Field
from audit.endpoint import Endpoint
from audit.report import Report, Stall
from foundation.http.server import PortTaken
from foundation.settings import Settings
from library.process.ports import HOST, free_port

DIFFERENCE = Difference(
    isbn="9781593275846", fields=[Field("quantity", 2, 5)], what="differs", event="0:7", record="0:9",
    position="0:8", found_at=1_700_000_000_000, summary="quantity 5, not 2",
)  # fmt: skip
REPORT = Report(
    ready=True, rows_compared=12, differences=1, differences_found=3, oldest_seconds={0: 5.5, 1: 70.0},
    period_seconds=60, stalls=[Stall("library-projector", 1, 33.0)], details=[DIFFERENCE],
)  # fmt: skip


@pytest.fixture
def served():
    """The port of an endpoint, and a list whose last item it reports."""
    reports, settings = [Report()], Settings(audit_port=free_port())
    endpoint = Endpoint(settings, lambda: reports[-1])
    yield settings.audit_port, reports
    endpoint.close()


def get(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def answer(port: int, method: str, path: str) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """The status line, the headers and whatever follows them."""
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(f"{method} {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        head, _, rest = connection.makefile("rb").read().partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, dict(line.lower().split(b": ", 1) for line in lines), rest


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz", "/other"])
def test_head_is_get_without_the_body(served, path: str):
    status, headers, body = answer(served[0], "GET", path)
    found, others, rest = answer(served[0], "HEAD", path)
    assert (found, rest) == (status, b"")
    assert others[b"content-type"] == headers[b"content-type"]
    if path != "/metrics":
        # Those of the process differ each time
        assert others[b"content-length"] == b"%d" % len(body)


def test_other_methods_are_refused_with_those_that_there_are(served):
    status, headers, _ = answer(served[0], "PUT", "/metrics")
    assert status.endswith(b"405 Method Not Allowed")
    assert headers[b"allow"] == b"get, head"


def test_readiness_has_the_state_and_the_differences(served):
    port, reports = served
    assert get(port, "/readyz")[0] == 503
    reports.append(REPORT)
    status, body = get(port, "/readyz")
    assert status == 200
    document = json.loads(body)
    assert document["service"] == "audit"
    assert document["details"][0]["fields"] == [{"name": "quantity", "expected": 2, "found": 5}]
    assert document["oldest_seconds"] == {"0": 5.5, "1": 70.0}
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/other")[0] == 404


def test_metrics_have_rows_differences_ages_and_stalls(served):
    port, reports = served
    reports.append(REPORT)
    status, body = get(port, "/metrics")
    assert status == 200
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    assert samples["library_audit_rows_total",] == 12
    assert samples["library_audit_differences",] == 1
    assert samples["library_audit_differences_found_total",] == 3
    assert samples["library_audit_oldest_row_seconds", "1"] == 70
    assert samples["library_audit_period_seconds",] == 60
    assert samples["library_audit_group_stalled_seconds", "library-projector", "1"] == 33
    assert samples["process_resident_memory_bytes",] > 0


def test_foreign_hosts_and_a_taken_port_are_refused(served):
    port, _ = served
    assert get(port, "/readyz", Host="evil.example")[0] == 421
    assert get(port, "/readyz", Origin="http://evil.example")[0] == 403
    with pytest.raises(PortTaken):
        Endpoint(Settings(audit_port=port), Report)
