"""The brokers of a chaos run, and the damage done to them."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from library.broker.kafka import Node
from library.process.ports import free_port
from tests.support.embedded_kafka import Kafka
from tests.three_brokers.cluster import Cluster


class Brokers(Protocol):
    """One broker or three."""

    count: int

    @property
    def bootstrap(self) -> str:
        """The address of their clients."""
        ...

    def damage(self, randomness: random.Random) -> str:
        """Break one of them; return what was done."""
        ...

    def repair(self) -> None:
        """Bring a broken one back if it is time."""
        ...

    def heal(self) -> None:
        """Wait until all of them are back."""
        ...

    def stop(self) -> None:
        """End all of them."""
        ...


class OneBroker:
    """The embedded broker: killed, and started again at once."""

    count = 1

    def __init__(self, home: Path) -> None:
        self._kafka = Kafka(Node(home=home, port=free_port(), durability="os"), os.environ)

    @property
    def bootstrap(self) -> str:
        """The address of its clients."""
        return self._kafka.bootstrap

    def damage(self, randomness: random.Random) -> str:
        """Kill it and start it again."""
        self._kafka.kill()
        self._kafka = Kafka(self._kafka.node, os.environ)
        return "broker killed"

    def repair(self) -> None:
        """It is never away for longer than ``damage`` takes."""

    def heal(self) -> None:
        """It is never away for longer than ``damage`` takes."""

    def stop(self) -> None:
        """Stop it cleanly."""
        self._kafka.stop()


class ThreeBrokers:
    """Three replicas: one at a time is killed or frozen for some seconds."""

    count = 3

    def __init__(self, home: Path) -> None:
        self._cluster = Cluster(home)
        self._back: Callable[[], None] | None = None
        self._back_at = 0.0

    @property
    def bootstrap(self) -> str:
        """The addresses of all three."""
        return self._cluster.bootstrap

    def damage(self, randomness: random.Random) -> str:
        """Kill or freeze a node, once all replicas are in sync."""
        self.heal()
        node = randomness.randint(1, 3)
        self._back_at = time.monotonic() + randomness.uniform(1, 12)
        if randomness.random() < 0.5:
            self._cluster.kill(node)
            self._back = lambda: self._cluster.start(node)
            return "broker killed"
        self._cluster.freeze(node)
        self._back = lambda: self._cluster.thaw(node)
        return "broker frozen"

    def repair(self) -> None:
        """Start or thaw the broken node if it is time."""
        if self._back is not None and time.monotonic() > self._back_at:
            self._back()
            self._back = None

    def heal(self) -> None:
        """Bring the broken node back, and wait until all replicas are in sync."""
        self._back = None
        self._cluster.heal()

    def stop(self) -> None:
        """Kill all of them."""
        self._cluster.stop()


@contextmanager
def brokers_in(home: Path, count: int) -> Iterator[Brokers]:
    """One broker or three, stopped at the end."""
    brokers: Brokers = OneBroker(home) if count == 1 else ThreeBrokers(home)
    try:
        yield brokers
    finally:
        brokers.stop()
