"""How the whole system is, sampled at regular intervals: groups, lag, throughput, readiness."""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping

from msgspec import Struct

from query_api.following.source import KafkaException, Source
from query_api.http.audit import AuditOperation
from query_api.http.freshness import Reading
from query_api.http.group_health import Health, Track, health, track
from query_api.http.group_lag import Group, GroupLags
from query_api.http.other_apis import ApiSample
from query_api.http.services import GatewaySample, Services
from query_api.http.totals import count_events, lags
from query_api.queries.pending import times_from
from query_api.replica.replica import Replica

log = logging.getLogger(__name__)

INTERVAL_S = 5.0
KEPT_SAMPLES = 120
_TIMES_TIMEOUT_S = 1.0

Ages = dict[int, float]
"""Age in seconds of the oldest event that is not handled, by partition; 0 where all are."""


class GroupSample(Struct, frozen=True):
    """A consumer group, the ages of its events where they are known, and how it is."""

    group: Group
    ages: Ages
    health: Health
    track: Track


class Sample(Struct, frozen=True):
    """The system at a time (``at``, in ms)."""

    at: int
    groups: list[GroupSample]
    kafka_trouble: str | None
    """Why the groups are unknown; None: they are known."""
    lag: dict[int, int]
    """Offsets that this query API's answers do not include, by partition."""
    ages: Ages
    """Of the events that answers do not include."""
    events: int
    """Events read since the first."""
    events_per_second: float
    gateways: list[GatewaySample]
    apis: list[ApiSample]
    """The other query APIs."""
    audit: AuditOperation | None
    """None: the settings name none."""


class Operations:
    """Samples the system, every INTERVAL_S seconds once it runs; without it, when it is asked."""

    def __init__(self, reading: Reading, source: Source, groups: GroupLags, services: Services) -> None:
        self._reading, self._source, self._groups, self._services = reading, source, groups, services
        self.clock = time.time
        """The time in seconds since 1970, UTC, that ages are computed with."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self._sampled_at = float("-inf")
        self._running = False
        self._tracks: dict[str, Track] = {}
        self._replica: Replica | None = None

    def start(self) -> None:
        """Sample in a thread until ``stop``."""
        self._running = True
        threading.Thread(target=self._run, name="operations", daemon=True).start()

    def stop(self) -> None:
        """End the thread, without waiting for it."""
        self._stop.set()

    def samples(self) -> list[Sample]:
        """The samples of the last minutes, the newest last; at least one. Raises sqlite3.Error."""
        if not (self._running and self._samples):
            self._refresh()
        return list(self._samples)

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._sampled_at >= INTERVAL_S:
                sample = self._sample()
                self._samples.append(sample)
                self._sampled_at = time.monotonic()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._refresh()
            except sqlite3.Error as error:
                # Requests meet it, too, and know what to do
                log.warning("no sample of the system could be taken: %s", error)
            except Exception:
                log.exception("no sample of the system could be taken")
            self._stop.wait(max(0.05, self._sampled_at + INTERVAL_S - time.monotonic()))

    def _sample(self) -> Sample:
        at, now = int(self.clock() * 1000), time.monotonic()
        try:
            groups, trouble = self._groups.groups(), None
        except KafkaException as error:
            groups, trouble = [], self._source.why(error)
        replica = self._reading.follower.replica
        if replica is not self._replica:
            # Another store: the samples of the last one's groups no longer count
            self._replica = replica
            self._tracks.clear()
            self._samples = deque(maxlen=KEPT_SAMPLES)
        lag = lags(self._reading)
        clock = _EventClock(self._source, replica, at, trouble is None)
        ages = {} if replica is None else clock.ages(_next_offsets(replica), lag)
        events = 0 if replica is None else count_events(replica)
        per_second = 0.0
        if self._samples:
            per_second = max(0, events - self._samples[-1].events) / max(0.001, now - self._sampled_at)
        sampled = [self._group(group, clock, now) for group in groups]
        self._tracks = {sample.group.name: sample.track for sample in sampled}
        services = self._services
        return Sample(
            at,
            sampled,
            trouble,
            lag,
            ages,
            events,
            per_second,
            services.gateways(),
            services.apis(),
            services.audit(),
        )

    def _group(self, group: Group, clock: "_EventClock", now: float) -> GroupSample:
        ages = clock.ages(group.committed, group.lag)
        # An unknown age is one of an event, too
        pending = {p: ages.get(p, 0.0) for p, behind in group.lag.items() if behind and ages.get(p) != 0}
        tracked = track(self._tracks.get(group.name), group, pending, now)
        return GroupSample(group, ages, health(group, tracked, pending), tracked)


class _EventClock:
    """Ages of events at the time ``at`` (ms). Events that the replica lacks are asked for in Kafka, once."""

    def __init__(self, source: Source, replica: Replica | None, at: int, asks_kafka: bool) -> None:
        self._source, self._replica, self._at = source, replica, at
        self._asks_kafka = asks_kafka
        self._missing: dict[int, int | None] | None = None

    def ages(self, offsets: Mapping[int, int], lag: Mapping[int, int]) -> Ages:
        """The ages of the first events at or after ``offsets``, where there is a lag."""
        replica = self._replica
        behind = {p: offsets.get(p, 0) for p, offsets_behind in lag.items() if offsets_behind}
        times = {} if replica is None or not behind else _times_from(replica, behind)
        ages = dict.fromkeys(lag, 0.0)
        for p, offset in behind.items():
            if p in times:
                ages[p] = max(0.001, (self._at - times[p]) / 1000)
            elif replica is None or max(offset, replica.progress.history[p]) < offset + lag[p]:
                missing = self._missing_times()
                if p not in missing:
                    del ages[p]
                elif (first := missing[p]) is not None:
                    ages[p] = max(0.001, (self._at - first) / 1000)
        return ages

    def _missing_times(self) -> dict[int, int | None]:
        """The times of the first events that the replica lacks; None: of none. Some may be unknown."""
        if self._missing is None:
            self._missing = {}
            if self._asks_kafka:
                history = self._replica.progress.history if self._replica is not None else ()
                after = {p: history[p] if history else 0 for p in range(self._source.partitions)}
                self._missing = self._source.times(after, _TIMES_TIMEOUT_S)
        return self._missing


def _next_offsets(replica: Replica) -> dict[int, int]:
    return {p: offset + 1 for p, offset in replica.progress.offsets().items()}


def _times_from(replica: Replica, offsets: Mapping[int, int]) -> dict[int, int]:
    with replica.read() as read:
        return times_from(read.db, offsets)
