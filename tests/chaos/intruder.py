"""A foreign transaction on the event store, opened and aborted now and then."""

import random
import time
from collections import Counter

from confluent_kafka import KafkaException, Producer

from eventstore.topics import events_topic
from foundation.settings import Settings
from tests.support.producer.writer_calls import foreign_producer


class Intruder:
    """Somebody else's producer; ``done`` counts what it did."""

    def __init__(
        self, settings: Settings, patience_s: float, randomness: random.Random, done: Counter[str]
    ) -> None:
        self._settings, self._patience_s, self._random, self._done = settings, patience_s, randomness, done
        self._producer = self._new()
        self._until = 0.0
        self._since_ns = 0
        self.long_ones: list[tuple[int, int]] = []
        """Intervals (ns) in which a transaction outlasted the writers' patience."""

    def intrude(self) -> None:
        """Keep a transaction open for a while, then abort it."""
        try:
            if self._until and time.monotonic() > self._until:
                self._until = 0.0
                self._producer.abort_transaction(5)
                self._ended()
            elif not self._until and self._random.random() < 0.1:
                self._since_ns = time.monotonic_ns()
                self._producer.begin_transaction()
                partition = self._random.randrange(self._settings.partitions)
                self._producer.produce(events_topic(self._settings), b"", b"intruder", partition)
                self._producer.flush(5)
                self._until = time.monotonic() + self._random.uniform(0.1, 1.0)
                self._done["foreign transactions"] += 1
        except KafkaException:
            self._until = 0.0
            self._producer = self._new()
            self._ended()

    def leave(self) -> None:
        """Abort the open transaction."""
        if not self._until:
            return
        self._until = 0.0
        try:
            self._producer.abort_transaction(10)
        except KafkaException:
            self._producer = self._new()
        self._ended()

    def _new(self) -> Producer:
        return foreign_producer(self._settings, f"intruder-{self._settings.name}")

    def _ended(self) -> None:
        since = self._since_ns + int(self._patience_s * 1e9)
        if since < (until := time.monotonic_ns()):
            self._done["of them long ones"] += 1
            self.long_ones.append((since, until))
