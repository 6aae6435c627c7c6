"""The metrics of a worker, in Prometheus' format, on a port of its own."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from projector.batched_faust.consumer import Progress

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics(Collector):
    """The metrics of one worker. ``progress`` returns the progress of each partition when called."""

    def __init__(self, progress: Callable[[], Mapping[int, Progress]]) -> None:
        self.registry = CollectorRegistry()
        self._progress = progress
        self._events = Counter(
            "library_projector_events", "Events folded into the table.", registry=self.registry
        )
        self._rows = Counter("library_projector_rows", "Rows written.", registry=self.registry)
        self._seconds = Histogram(
            "library_projector_batch_seconds",
            "From the receipt of a batch of events until its rows are stored.",
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def batch(self, events: int, seconds: float) -> None:
        """Count a batch whose rows are stored, ``seconds`` after it was received."""
        self._events.inc(events)
        self._seconds.observe(seconds)

    def rows(self, rows: int) -> None:
        """Count written rows."""
        self._rows.inc(rows)

    def collect(self) -> Iterator[Metric]:
        """The progress of each partition."""
        position = GaugeMetricFamily(
            "library_projector_position", "Offset of the next event for the table.", labels=["partition"]
        )
        lag = GaugeMetricFamily(
            "library_projector_lag",
            "Offsets of the event store that are not in the table yet.",
            labels=["partition"],
        )
        halted = GaugeMetricFamily(
            "library_projector_halted",
            "1 if a record names no title, and nothing after it is read.",
            labels=["partition"],
        )
        for partition, progress in sorted(self._progress().items()):
            name = [str(partition)]
            position.add_metric(name, progress.position)
            lag.add_metric(name, max(0, progress.end - progress.position))
            halted.add_metric(name, progress.halted)
        yield position
        yield lag
        yield halted
