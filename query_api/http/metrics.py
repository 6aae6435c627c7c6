"""What the query API counts, in Prometheus' format."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from query_api.http.freshness import Reading
from query_api.http.group_lag import GroupLags
from query_api.http.totals import lags, numbers


class Metrics(Collector):
    """The metrics of one query API. ``answers`` are plain numbers: they are counted for every request."""

    def __init__(self, reading: Reading, groups: GroupLags) -> None:
        self._registry = CollectorRegistry()
        self._reading, self._groups = reading, groups
        self.answers: Counter[int] = Counter()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """All of them, as they are now; asks Kafka how far its consumer groups are."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask Kafka."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What is counted elsewhere, as it is now."""
        answers = CounterMetricFamily("library_api_answers", "HTTP answers, by status.", labels=["status"])
        for status, count in sorted(self.answers.items()):
            answers.add_metric([str(status)], count)
        yield answers
        yield GaugeMetricFamily("library_api_streams", "Open streams.", value=self._reading.readers)
        yield from self._replica()
        yield from self._lags()

    def _replica(self) -> Iterator[Metric]:
        follower, progress = self._reading.follower, self._reading.progress()
        ready = progress is not None and progress.ready
        yield GaugeMetricFamily("library_api_ready", "1 once caught up.", value=ready)
        yield GaugeMetricFamily(
            "library_api_reading", "1 while both topics can be read.", value=follower.trouble is None
        )
        replica = follower.replica
        if replica is None:
            return
        found = numbers(replica.reader())
        for name, text, value in (
            ("library_titles", "Titles in the inventory.", found.titles),
            ("library_copies", "Copies owned.", found.copies),
            ("library_copies_available", "Copies on the shelf.", found.available),
            ("library_held_titles", "Titles with an event that can't be applied.", found.held),
            ("library_events", "Events read.", found.events),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        unreadable = GaugeMetricFamily(
            "library_unreadable_records",
            "Records passed over: they name no title.",
            labels=["stream"],
        )
        for stream, count in found.unreadable.items():
            unreadable.add_metric([stream], count)
        yield unreadable

    def _lags(self) -> Iterator[Metric]:
        position = GaugeMetricFamily(
            "library_api_position", "Offset up to which answers include the events.", labels=["partition"]
        )
        lag = GaugeMetricFamily(
            "library_api_lag", "Offsets of the event store that answers do not include.", labels=["partition"]
        )
        progress = self._reading.progress()
        for partition, offset in (progress.offsets() if progress is not None else {}).items():
            position.add_metric([str(partition)], offset)
        for partition, behind in lags(self._reading).items():
            lag.add_metric([str(partition)], behind)
        yield position
        yield lag
        groups = GaugeMetricFamily(
            "library_group_lag", "Offsets of the event store after a consumer group's place in it.",
            labels=["group", "partition"],
        )  # fmt: skip
        for group, behind_by in self._groups.lags().items():
            for partition, behind in behind_by.items():
                groups.add_metric([group, str(partition)], behind)
        yield groups
