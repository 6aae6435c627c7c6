"""Spans of single commands, by OpenTelemetry, where the caller sends ``traceparent``. Off by default.

``tracer`` is None unless an OTLP exporter is configured: one test of an attribute is then all that tracing
costs. Spans are recorded when they have ended, with the times that they began and ended at.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The environment variables of OpenTelemetry that turn tracing on. The SDK reads the others by itself."""
TRACEPARENT = "traceparent"
OLDEST_MS = 60_000
"""Events that are older are not traced when they are read again: nobody waits for them."""

tracer: "Tracer | None" = None
_provider: "TracerProvider | None" = None

_log = logging.getLogger(__name__)


def start(service: str) -> None:
    """Begin to export spans, where an endpoint is configured, as ``service`` unless OTEL_SERVICE_NAME is set.

    Without the extra ``tracing`` there are no spans; the log says so.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _log.warning("no traces are written: pip install 'library-inventory[tracing]'")
        return
    use(BatchSpanProcessor(OTLPSpanExporter()), service)


def use(processor: Any, service: str) -> None:
    """Give all spans of this process to a span processor of the SDK."""
    global tracer, _provider
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(processor)
    tracer = _provider.get_tracer("library-inventory")


def stop() -> None:
    """Export what is left, and trace nothing more."""
    global tracer, _provider
    provider, tracer, _provider = _provider, None, None
    if provider is not None:
        provider.shutdown()


def begin(name: str, traceparent: str, start_ns: int | None = None) -> "Span":
    """A span of a server under the caller's, to be ended; one without effect where that names no span.

    Call it only where ``tracer`` is not None.
    """
    from opentelemetry.trace import SpanKind

    return _begin(name, traceparent, SpanKind.SERVER, start_ns, None)


def record(
    name: str,
    traceparent: str,
    start_ns: int,
    end_ns: int,
    events: Sequence[tuple[str, int]] = (),
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Record a span that has ended; ``events`` are its steps with their times. All times in ns since 1970.

    Call it only where ``tracer`` is not None.
    """
    from opentelemetry.trace import SpanKind

    span = _begin(name, traceparent, SpanKind.INTERNAL, start_ns, attributes)
    for event, at_ns in events:
        span.add_event(event, timestamp=at_ns)
    span.end(end_ns)


def traceparent_of(span: "Span") -> str | None:
    """The header with which ``span`` is named as the parent; None for one without effect."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _begin(
    name: str, traceparent: str, kind: Any, start_ns: int | None, attributes: Mapping[str, Any] | None
) -> "Span":
    from opentelemetry.trace import INVALID_SPAN, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert tracer is not None
    parent = TraceContextTextMapPropagator().extract({TRACEPARENT: traceparent})
    if not get_current_span(parent).get_span_context().is_valid:
        # The SDK would begin another trace
        return INVALID_SPAN
    return tracer.start_span(name, parent, kind, dict(attributes or {}), start_time=start_ns)
