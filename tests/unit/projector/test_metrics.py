"""Where a worker serves its metrics."""

import http.client
from pathlib import Path

import pytest

from foundation.cli.metrics_port import serve_metrics
from foundation.http.client import Service
from foundation.settings import Settings
from library.process.ports import HOST, free_port
from projector.app import build
from projector.fold.batch_fold import INVENTORY_PROJECTION
from projector.metrics import Metrics


@pytest.mark.parametrize("host", [HOST, f"[{HOST}]", "localhost", "localhost."])
def test_metrics_are_served_where_the_other_services_listen(host):
    port = free_port()
    serve_metrics(Metrics(dict).registry, Settings(host=host, metrics_port=port))
    with Service(f"http://{HOST}:{port}", 5) as service:
        assert service.get(("metrics",), {}).status == 200
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("HEAD", "/metrics")
    assert connection.getresponse().status == 200
    connection.close()


def test_before_its_consumer_runs_a_worker_has_metrics_without_partitions(tmp_path: Path):
    app = build(Settings(data_dir=str(tmp_path)), 0, lambda: pytest.fail("asked Kafka"), INVENTORY_PROJECTION)
    progress = {metric.name: metric.samples for metric in app.metrics.collect()}
    assert progress["library_projector_lag"] == []
