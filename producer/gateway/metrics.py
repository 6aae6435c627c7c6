"""The gateway's metrics, in Prometheus' format."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from producer.gateway.gateway import Gateway
    from producer.gateway.sharing.routing import Router

BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Commands."""
DURATION_BUCKETS_S = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics(Collector):
    """The metrics of one gateway. ``answers`` is a plain counter: cheap enough for every request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers: Counter[int] = Counter()
        self.gateway: Gateway | None = None
        self.router: Router | None = None
        self._batch_sizes = Histogram(
            "library_gateway_batch_commands",
            "Commands in one transaction.",
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._durations = Histogram(
            "library_gateway_batch_seconds",
            "From taking a batch to its commit.",
            buckets=DURATION_BUCKETS_S,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def observe(self, commands: int, seconds: float) -> None:
        """Count a batch."""
        self._batch_sizes.observe(commands)
        self._durations.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The current values of counters that are kept elsewhere."""
        answers = CounterMetricFamily(
            "library_gateway_answers", "HTTP answers to commands, by status.", labels=["status"]
        )
        for status, count in sorted(self.answers.items()):
            answers.add_metric([str(status)], count)
        yield answers
        if self.gateway is None:
            return
        yield GaugeMetricFamily(
            "library_gateway_open", "Commands accepted and not answered yet.", value=self.gateway.open
        )
        waiting = GaugeMetricFamily(
            "library_gateway_waiting", "Commands that wait for the next batch.", labels=["partition"]
        )
        writable = GaugeMetricFamily(
            "library_gateway_writable", "1 where the last batch reached Kafka.", labels=["partition"]
        )
        owned = GaugeMetricFamily(
            "library_gateway_owned", "1 for partitions that this gateway has.", labels=["partition"]
        )
        troubles = self.gateway.troubles()
        for partition, lane in enumerate(self.gateway.lanes):
            waiting.add_metric([str(partition)], lane.waiting)
            writable.add_metric([str(partition)], partition not in troubles)
            owned.add_metric([str(partition)], lane.owned)
        yield waiting
        yield writable
        yield owned
        if self.router is not None:
            yield from self._forwarding(self.router)

    def _forwarding(self, router: "Router") -> Iterator[Metric]:
        peers = router.peers
        yield GaugeMetricFamily(
            "library_gateway_others", "Other gateways of the store.", value=len(router.members.others)
        )
        forwarded = CounterMetricFamily(
            "library_gateway_forwarded",
            "Commands sent to the gateway that has their partition; `unanswered` ones were executed here.",
            labels=["result"],
        )
        forwarded.add_metric(["answered"], peers.forwarded - peers.unanswered)
        forwarded.add_metric(["unanswered"], peers.unanswered)
        yield forwarded
