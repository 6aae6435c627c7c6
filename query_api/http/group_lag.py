"""How far each consumer group of the event store is behind."""

import threading
import time

from confluent_kafka import KafkaException

from eventstore.groups import committed_offsets_by_group, lag
from query_api.following.source import Source

KEPT = 5.0
"""Seconds for which an answer of Kafka's is used again."""
MOST_GROUPS = 200
_TIMEOUT = 2.0

Lags = dict[str, dict[int, int]]


class GroupLags:
    """Asks Kafka, not more often than every KEPT seconds."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._lags: Lags = {}

    def lags(self) -> Lags:
        """Offsets of the event store after each group's place in it, by group and partition.

        Groups that have no place in it, or can't be asked for it, are left out; all of them while Kafka does
        not answer.
        """
        with self._lock:
            if time.monotonic() - self._asked_at > KEPT:
                try:
                    self._lags = self._ask()
                except KafkaException:
                    self._lags = {}
                self._asked_at = time.monotonic()
            return self._lags

    def _ask(self) -> Lags:
        admin = self._source.admin
        ends = dict(enumerate(self._source.ends(_TIMEOUT).events))
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT).result().valid
        names = sorted(group.group_id for group in listed)[:MOST_GROUPS]
        committed = committed_offsets_by_group(admin, self._source.events, names, _TIMEOUT)
        beginnings = self._source.beginnings(_TIMEOUT)
        return {name: lag(offsets, beginnings, ends) for name, offsets in committed.items() if offsets}
