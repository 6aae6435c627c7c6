"""The audit's metrics, in Prometheus' format."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from audit.report import Report


class Metrics(Collector):
    """The metrics of the audit whose present state ``report`` returns."""

    def __init__(self, report: Callable[[], Report]) -> None:
        self.registry = CollectorRegistry()
        self._report = report
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The present values."""
        report = self._report()
        yield CounterMetricFamily(
            "library_audit_rows", "Rows compared with their events.", report.rows_compared
        )
        yield GaugeMetricFamily(
            "library_audit_differences", "Titles whose row differs from their events.", report.differences
        )
        yield CounterMetricFamily(
            "library_audit_differences_found", "Differences found.", report.differences_found
        )
        yield GaugeMetricFamily(
            "library_audit_period_seconds",
            "Every row is to be compared within this time.",
            report.period_seconds,
        )
        oldest = GaugeMetricFamily(
            "library_audit_oldest_row_seconds",
            "Age of the oldest row that was not compared since.",
            labels=["partition"],
        )
        for partition, seconds in sorted(report.oldest_seconds.items()):
            oldest.add_metric([str(partition)], seconds)
        yield oldest
        stalled = GaugeMetricFamily(
            "library_audit_group_stalled_seconds",
            "How long a consumer group has not moved although events wait; 0: it moves, or none wait.",
            labels=["group", "partition"],
        )
        for stall in report.stalls:
            stalled.add_metric([stall.group, str(stall.partition)], stall.seconds)
        yield stalled
