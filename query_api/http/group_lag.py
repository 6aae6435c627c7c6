"""The lag of each consumer group of the event store."""

import threading
import time

from confluent_kafka import KafkaException

from eventstore.groups import committed_offsets_by_group, lag
from query_api.following.source import Source

REFRESH_INTERVAL_S = 5.0
"""For which an answer of Kafka is used again."""
MOST_GROUPS = 200
_TIMEOUT_S = 2.0

Lags = dict[str, dict[int, int]]


class GroupLags:
    """Asks Kafka, once in REFRESH_INTERVAL_S seconds at most."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._refreshed_at = float("-inf")
        self._lags: Lags = {}

    def lags(self) -> Lags:
        """Offsets between each group's and the event store's end, by group and partition.

        Groups without offsets there are left out, and those that can't be asked; all while Kafka can't be
        reached.
        """
        with self._lock:
            if time.monotonic() - self._refreshed_at > REFRESH_INTERVAL_S:
                try:
                    self._lags = self._ask()
                except KafkaException:
                    self._lags = {}
                self._refreshed_at = time.monotonic()
            return self._lags

    def _ask(self) -> Lags:
        admin = self._source.admin
        ends = dict(enumerate(self._source.ends(_TIMEOUT_S).events))
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_S).result().valid
        names = sorted(group.group_id for group in listed)[:MOST_GROUPS]
        committed = committed_offsets_by_group(admin, self._source.events, names, _TIMEOUT_S)
        beginnings = self._source.beginnings(_TIMEOUT_S)
        return {name: lag(offsets, beginnings, ends) for name, offsets in committed.items() if offsets}
