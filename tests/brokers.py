"""The broker that integration tests run against."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from library.kafka import Kafka, Node
from library.ports import free_port


@contextmanager
def embedded(home: Path) -> Iterator[Kafka]:
    """A broker of our own, stopped at the end; the page cache is durable enough for tests."""
    kafka = Kafka(Node(home=home, port=free_port(), durability="os"), os.environ)
    try:
        yield kafka
    finally:
        kafka.stop()
