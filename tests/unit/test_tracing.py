"""Traces of commands: one joins gateway, projector and query API, and without an exporter there is none."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from faust.types import TP
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from eventstore.append.deadline import always
from eventstore.append.writer import Writer
from eventstore.headers import Headers, event_headers
from eventstore.state.outcomes import Accepted, Appended, Outcome, Receipt, Submitted
from foundation import tracing
from foundation.http.traced import TracedRequests
from foundation.settings import Settings
from inventory.commands import BorrowBook
from producer.gateway.gateway import Gateway
from producer.gateway.lanes import Lane
from producer.gateway.metrics import Metrics
from producer.gateway.turns import Turns
from projector.batched_faust import traces as folds
from projector.batched_faust.batch import Batch
from query_api.following.intake import RecordBatch
from query_api.following.traces import Traces
from query_api.replica.progress import Progress
from schemas.codec import encode
from schemas.events import BookBorrowed
from tests.support.producer.gateway_app import gateway_app
from tests.support.producer.writer_calls import ISBN

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
PLACE = TP("events", 0)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.use(SimpleSpanProcessor(exporter), "test")
    yield exporter
    tracing.stop()


class Appending(Writer):
    """Accepts everything, and keeps the headers of the events that it would append."""

    def __init__(self) -> None:
        self.headers: Headers = []
        self.transaction_s = None
        self.reached = lambda _: None

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        (one,) = submitted
        for step in ("decided", "delivered", "committed"):
            self.reached(step)
        self.headers = event_headers("library", one.command_id, "d", 0, "BookBorrowed", now_ms(), one.carried)
        return [Accepted(Receipt(one.command_id, ISBN, (Appended("BookBorrowed", 2),), "0:7"))]

    def wait(self) -> None:
        pass

    def check(self, deadline_s: float, urgent: Callable[[], bool] = always) -> None:
        pass

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def command_with(headers: dict[str, str]) -> Headers:
    """The headers of the event of a command that is sent with ``headers``."""
    writer = Appending()

    async def send() -> int:
        metrics = Metrics()
        gateway = Gateway(Settings(partitions=1), metrics.observe)
        gateway.lanes.append(Lane(lambda: writer, 30, asyncio.get_running_loop(), Turns(1), metrics.observe))
        app: Any = TracedRequests(gateway_app(gateway, metrics))
        gateway.lanes[0].start()
        gateway.own([0])
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            body = msgspec.json.encode(BorrowBook(ISBN, "ann"))
            all_headers = {"content-type": "application/json", "idempotency-key": "key 1", **headers}
            response = await client.post("/commands", content=body, headers=all_headers)
        await gateway.stop()
        return response.status_code

    assert asyncio.run(send()) == 201
    return writer.headers


def fold(headers: Headers, timestamp: int) -> None:
    """Fetch and fold an event with these headers."""
    batch, notes = Batch([(7, b"", b"")], PLACE, 7, 9), folds.Traces()
    notes.note(PLACE, SimpleNamespace(offset=7, headers=headers, timestamp=timestamp))
    notes.give({PLACE: batch})
    folds.record_folds([batch])


def replicate(headers: Headers, timestamp: int) -> None:
    """Read an event with these headers into a replica, and then its row."""
    message: Any = SimpleNamespace(
        partition=lambda: 0,
        offset=lambda: 7,
        key=lambda: f"{ISBN}/2".encode(),
        value=lambda: encode(BookBorrowed(ISBN, "ann", timestamp, timestamp)),
        headers=lambda: headers,
        timestamp=lambda: (1, timestamp),
    )
    notes = Traces()
    RecordBatch.after(Progress.none(1), "source", notes).add_event(message)
    # Its row is not there yet
    notes.advance(Progress((0,), (8,), (7,), (True,), True))
    notes.advance(Progress((1,), (8,), (9,), (True,), True))
    notes.advance(Progress((1,), (8,), (9,), (True,), True))


def read_with(headers: dict[str, str]) -> None:
    """Send a request to an application of which only the middleware counts."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send() -> None:
        traced: Any = TracedRequests(app)
        transport = httpx.ASGITransport(traced)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get(f"/inventory/{ISBN}", headers=headers)

    asyncio.run(send())


def test_one_trace_joins_gateway_projector_and_query_api(spans: InMemorySpanExporter):
    event = command_with({"traceparent": TRACEPARENT})
    fold(event, now_ms())
    replicate(event, now_ms())
    read_with({"traceparent": TRACEPARENT})
    found = {span.name: span for span in spans.get_finished_spans()}
    # The lane answers before it records its span: ``append`` may come after ``POST``
    assert found.keys() == {"append", "POST", "fold", "replicate", "GET"}
    assert {f"{span.context.trace_id:032x}" for span in found.values()} == {TRACE}
    parents = {name: span.parent.span_id for name, span in found.items()}
    assert (parents["POST"], parents["GET"]) == (int(CALLER, 16), int(CALLER, 16))
    # The event names the gateway's span as its parent
    request = found["POST"].context.span_id
    assert (parents["append"], parents["fold"], parents["replicate"]) == (request, request, request)
    assert [event.name for event in found["append"].events] == ["decided", "delivered", "committed"]
    assert found["POST"].attributes["http.response.status_code"] == 201
    assert found["GET"].attributes["http.response.status_code"] == 404
    assert found["fold"].attributes["messaging.kafka.offset"] == 7


@pytest.mark.parametrize(
    "headers", [{}, {"traceparent": "malformed"}, {"traceparent": f"00-{'0' * 32}-{CALLER}-01"}]
)
def test_without_a_traceparent_that_names_a_span_there_is_no_trace(
    spans: InMemorySpanExporter, headers: dict[str, str]
):
    event = command_with(headers)
    fold(event, now_ms())
    replicate(event, now_ms())
    read_with(headers)
    assert spans.get_finished_spans() == ()


def test_events_of_the_past_are_not_traced_when_they_are_read_again(spans: InMemorySpanExporter):
    headers = [("traceparent", TRACEPARENT.encode())]
    fold(headers, now_ms() - 2 * tracing.OLDEST_MS)
    replicate(headers, now_ms() - 2 * tracing.OLDEST_MS)
    assert spans.get_finished_spans() == ()


def test_without_an_exporter_events_keep_the_callers_traceparent():
    assert ("traceparent", TRACEPARENT.encode()) in command_with({"traceparent": TRACEPARENT})


def test_a_disabled_sdk_changes_nothing(monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing.use(SimpleSpanProcessor(spans), "test")
    assert ("traceparent", TRACEPARENT.encode()) in command_with({"traceparent": TRACEPARENT})
    assert spans.get_finished_spans() == ()


def test_tracing_is_off_where_no_endpoint_is_set(monkeypatch: pytest.MonkeyPatch):
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    tracing.start("test")
    assert tracing.tracer is None


@pytest.mark.parametrize("name", tracing.ENDPOINTS)
def test_an_endpoint_turns_tracing_on(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "desk")
    tracing.start("test")
    try:
        provider: Any = tracing._provider
        assert tracing.tracer is not None
        assert provider.resource.attributes["service.name"] == "desk"
    finally:
        tracing.stop()
    assert tracing.tracer is None
