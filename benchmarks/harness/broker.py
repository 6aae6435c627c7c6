"""The broker of a benchmark."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from library.broker.kafka import Node
from library.process.ports import free_port
from tests.support.embedded_kafka import Kafka


@contextmanager
def broker(folder: Path, durability: str = "disk") -> Iterator[str]:
    """Run the broker of `library up`. It flushes before it acknowledges unless ``durability`` is "os"."""
    kafka = Kafka(Node(home=folder / "kafka", port=free_port(), durability=durability), os.environ)
    try:
        yield kafka.bootstrap
    finally:
        kafka.stop()
