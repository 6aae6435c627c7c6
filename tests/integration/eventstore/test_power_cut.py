"""What was acknowledged survives a power cut, on the embedded broker as it is configured by default."""

import os
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import BorrowBook
from library.broker.kafka import Node
from library.process.ports import free_port
from producer.writers import writer_of
from schemas.topics import ensure_topics
from tests.support.embedded_kafka import Kafka
from tests.support.producer.power_cut import cut, flushed, traced
from tests.support.producer.writer_calls import ADD, ISBN, accepted, event_types, run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("durability", "left"),
    [
        ("disk", ["BookAdded", "BookBorrowed"]),
        ("os", ["BookAdded"]),
    ],
)
def test_acknowledged_events_survive_a_power_cut(tmp_path: Path, durability: str, left: list[str]):
    """With ``os``, which documents the loss, the same test sees it."""
    home = tmp_path / "kafka"
    kafka = Kafka(Node(home=home, port=free_port(), durability=durability), os.environ)
    try:
        settings = Settings(kafka=kafka.bootstrap, name="cut", partitions=1, data_dir=str(tmp_path))
        ensure_topics(AdminClient(client_config(settings)), settings)
        writer = writer_of(settings, 0)
        run(writer, ADD)
        # A stop flushes all; so nothing that the trace does not see is in the page cache only
        kafka.stop()
        kafka = Kafka(kafka.node, os.environ)
        writer.execute([], 30)
        sizes = {log: log.stat().st_size for log in kafka.node.data.rglob("*.log")}
        with traced(kafka.process.pid, tmp_path / "trace"):
            (outcome,) = run(writer, BorrowBook(ISBN, "ann"))
            acknowledged = time.time()
            kafka.kill()
    finally:
        kafka.stop()
    accepted(outcome)

    survivor = Node(home=tmp_path / "after", port=free_port())
    survivor.home.mkdir()
    cut(kafka.node.data, sizes, flushed(tmp_path / "trace", acknowledged), survivor.data)
    again = Kafka(survivor, os.environ)
    try:
        settings = Settings(kafka=again.bootstrap, name="cut", partitions=1)
        # A claim waits until Kafka has ended what was committed when the power went
        claim = writer_of(settings, 0)
        claim.execute([], 30)
        assert claim.fence.claimed
        claim.close()
        assert event_types(settings) == left
    finally:
        again.stop()
