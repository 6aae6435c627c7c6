"""The spans of traced commands, received as a collector of OpenTelemetry does, and the waterfall of them."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median, quantiles
from typing import TypeAlias

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.harness.waiting import until
from benchmarks.latency.load import Written
from library.process.ports import HOST

EXPORT_LIMIT_S = 20.0
SPANS = ("POST", "append", "fold", "replicate")
"""That every traced command has."""
MARKS = (
    ("sent by the client", ""),
    ("arrived at the gateway", "POST begin"),
    ("batch begun", "append begin"),
    ("delivered", "append delivered"),
    ("committed", "append committed"),
    ("fetched by the projector", "fold begin"),
    ("row committed", "fold end"),
    ("in the replica", "replicate end"),
    ("answered to the reader", ""),
)
"""The way of a command, and where each time comes from; empty: from the client."""

Times: TypeAlias = dict[str, int]
"""Of one trace: begin, end and steps of its spans, in ns since 1970."""


class Step(Struct, frozen=True):
    """The time from the mark before; ``until_p50_ms`` is the time from the beginning."""

    clients: int
    step: str
    p50_ms: float
    p99_ms: float
    until_p50_ms: float


class Collector:
    """Keeps what processes export; ``environment`` makes them export to it."""

    def __init__(self, port: int) -> None:
        self.environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "250",
        }
        self._bodies: list[bytes] = []
        self._times: defaultdict[str, Times] = defaultdict(dict)

    def add(self, body: bytes) -> None:
        """Keep a request's body. It is decoded later: that must not slow the measurement down."""
        self._bodies.append(body)

    def times(self, written: Sequence[Written]) -> list[tuple[Written, Times]]:
        """The times of the traced ones among ``written``. Raises TimeoutError where spans are missing."""
        traced = [one for one in written if one.trace]
        until(
            lambda: self._decode() and all(self._complete(one.trace) for one in traced),
            EXPORT_LIMIT_S,
            "the spans of all traced commands",
            pause=0.2,
        )
        return [(one, self._times[one.trace]) for one in traced]

    def _complete(self, trace: str) -> bool:
        return all(f"{span} end" in self._times[trace] for span in SPANS)

    def _decode(self) -> bool:
        bodies, self._bodies = self._bodies, []
        for body in bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        times = self._times[span.trace_id.hex()]
                        times[f"{span.name} begin"] = span.start_time_unix_nano
                        times[f"{span.name} end"] = span.end_time_unix_nano
                        for event in span.events:
                            times[f"{span.name} {event.name}"] = event.time_unix_nano
        return True


@contextmanager
def collector() -> Iterator[Collector]:
    """Listen for spans while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.add(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    found = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def waterfall(clients: int, traced: Sequence[tuple[Written, Times]]) -> list[Step]:
    """The percentiles of each step. Steps overlap by a little where two processes see a commit at once."""
    ways = [_way(written, times) for written, times in traced]
    steps = []
    for number, (name, _) in enumerate(MARKS[1:], 1):
        took = quantiles([(way[number] - way[number - 1]) / 1e6 for way in ways], n=100)
        since = median((way[number] - way[0]) / 1e6 for way in ways)
        steps.append(Step(clients, name, round(took[49], 2), round(took[98], 2), round(since, 2)))
    return steps


def _way(written: Written, times: Times) -> list[int]:
    inner = [times[source] for _, source in MARKS[1:-1]]
    return [written.sent, *inner, written.answered]
