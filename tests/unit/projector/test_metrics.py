"""Where a worker serves its metrics."""

import pytest

from foundation.http.client import Service
from library.process.ports import HOST, free_port
from projector.metrics import Metrics


@pytest.mark.parametrize("host", [HOST, f"[{HOST}]", "localhost", "localhost."])
def test_metrics_are_served_where_the_other_services_listen(host):
    port = free_port()
    Metrics(dict).serve(host, port)
    with Service(f"http://{HOST}:{port}", 5) as service:
        assert service.get(("metrics",), {}).status == 200
