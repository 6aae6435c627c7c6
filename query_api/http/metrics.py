"""The query API's metrics, in Prometheus' format."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from query_api.http.freshness import Reading
from query_api.http.operations import GroupSample, Operations
from query_api.http.totals import lags, read_totals


class Metrics(Collector):
    """The metrics of one query API.

    ``answers`` is a plain counter, cheap enough for every request. So is ``answers_at_once``, for the thread
    beside the event loop: adding to a counter of another thread would lose some.
    """

    def __init__(self, reading: Reading, operations: Operations) -> None:
        self._registry = CollectorRegistry()
        self._reading, self._operations = reading, operations
        self.answers: Counter[int] = Counter()
        self.answers_at_once: Counter[int] = Counter()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """The current metrics. Raises sqlite3.Error."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """No metrics: registering must not ask Kafka."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The current values of counters that are kept elsewhere."""
        answers = CounterMetricFamily("library_api_answers", "HTTP answers, by status.", labels=["status"])
        for status, count in sorted((self.answers + self.answers_at_once).items()):
            answers.add_metric([str(status)], count)
        yield answers
        yield GaugeMetricFamily("library_api_streams", "Open streams.", value=self._reading.readers)
        yield from self._replica()
        yield from self._lags()
        yield from self._erasures()

    def _replica(self) -> Iterator[Metric]:
        follower = self._reading.follower
        yield GaugeMetricFamily("library_api_ready", "1 once caught up.", value=self._reading.ready)
        yield GaugeMetricFamily(
            "library_api_reading", "1 while both topics can be read.", value=self._reading.trouble is None
        )
        replica = follower.replica
        if replica is None:
            return
        with replica.read() as read:
            totals = read_totals(read.db)
        for name, text, value in (
            ("library_titles", "Titles in the inventory.", totals.titles),
            ("library_copies", "Copies owned.", totals.copies),
            ("library_copies_available", "Copies on the shelf.", totals.available),
            ("library_held_titles", "Titles with an event that can't be applied.", totals.held),
            ("library_events", "Events read.", totals.events),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        unreadable = GaugeMetricFamily(
            "library_unreadable_records",
            "Records that name no title, ignored.",
            labels=["stream"],
        )
        for stream, count in totals.unreadable.items():
            unreadable.add_metric([stream], count)
        yield unreadable

    def _erasures(self) -> Iterator[Metric]:
        names = self._reading.patrons.names
        if names is None or not names.exists:
            return
        logged = list(names.logged.values())
        oldest = max(0.0, self._operations.clock() - min(logged) / 1000) if logged else 0.0
        for name, text, value in (
            (
                "library_erasures_pending",
                "Forgotten borrowers whose names are still in Kafka's log.",
                len(logged),
            ),
            ("library_erasure_oldest_seconds", "Age of the oldest of them.", oldest),
            (
                "library_patrons_closing",
                "Borrowers who are forgotten at their last return.",
                len(names.directory.closing),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)

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
        sample = self._operations.samples()[-1]
        age = GaugeMetricFamily(
            "library_api_lag_seconds", "Age of the oldest event that answers do not include.",
            labels=["partition"],
        )  # fmt: skip
        for partition, seconds in sample.ages.items():
            age.add_metric([str(partition)], seconds)
        yield age
        yield from _group_metrics(sample.groups)


def _group_metrics(samples: list[GroupSample]) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "library_group_lag", "Offsets between a consumer group's and the event store's end.",
        labels=["group", "partition"],
    )  # fmt: skip
    age = GaugeMetricFamily(
        "library_group_lag_seconds", "Age of the oldest event that a consumer group has not handled.",
        labels=["group", "partition"],
    )  # fmt: skip
    members = GaugeMetricFamily("library_group_members", "Members of a consumer group.", labels=["group"])
    for sample in samples:
        name = sample.group.name
        for partition, behind in sample.group.lag.items():
            lag.add_metric([name, str(partition)], behind)
        for partition, seconds in sample.ages.items():
            age.add_metric([name, str(partition)], seconds)
        if sample.group.members is not None:
            members.add_metric([name], len(sample.group.members))
    yield lag
    yield age
    yield members
