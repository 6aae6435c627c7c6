"""The notary's metrics, in Prometheus' format, on a port of its own."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from notary.outlets import CommandOutlet


class Standing(Struct):
    """How far the notary is with one partition. The follower writes it, metrics read it."""

    events: int = 0
    signed: int = 0
    unsigned_since: float = 0.0
    """When (``time.monotonic()``) the first event was read that no checkpoint covers; 0: all are covered."""
    refused: bool = False


class Metrics(Collector):
    """The metrics of a notary with these partitions."""

    def __init__(self, standings: Mapping[int, Standing], command: "CommandOutlet | None") -> None:
        self.registry = CollectorRegistry()
        self._standings, self._command = standings, command
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The standing of each partition."""
        label = ["partition"]
        events = GaugeMetricFamily("library_notary_events", "Events that were read.", labels=label)
        signed = GaugeMetricFamily(
            "library_notary_signed_events", "Events that the newest checkpoint covers.", labels=label
        )
        unsigned = GaugeMetricFamily(
            "library_notary_unsigned_seconds",
            "Seconds since an event was read that no checkpoint covers.",
            labels=label,
        )
        refused = GaugeMetricFamily(
            "library_notary_refused", "1 if the notary signs nothing more of the partition.", labels=label
        )
        now = time.monotonic()
        for partition, standing in sorted(self._standings.items()):
            name = [str(partition)]
            events.add_metric(name, standing.events)
            signed.add_metric(name, standing.signed)
            since = standing.unsigned_since
            unsigned.add_metric(name, now - since if since else 0.0)
            refused.add_metric(name, standing.refused)
        yield from (events, signed, unsigned, refused)
        yield CounterMetricFamily(
            "library_notary_publish_failures",
            "Runs of the publishing command that failed.",
            value=0 if self._command is None else self._command.failures,
        )
