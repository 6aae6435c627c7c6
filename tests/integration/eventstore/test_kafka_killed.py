"""Kafka killed right after an acknowledgement: no acknowledged event is lost, every partition takes more."""

import os
import threading
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from eventstore.headers import COMMAND_ID
from eventstore.state.outcomes import Accepted
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddCopies
from producer.writers import writer_of
from schemas.reader import open_reader
from schemas.topics import ensure_topics
from tests.support.brokers import embedded_broker
from tests.support.embedded_kafka import Kafka
from tests.support.producer.writer_calls import ADD, ISBN, accepted, command, run

PARTITIONS = 4
ACKNOWLEDGEMENTS = 30
"""Of all partitions together; the last one kills Kafka."""
DEADLINE_S = 3.0


class KilledAtAcknowledgement:
    """One writer in each partition, busy until one of them kills Kafka at the moment of a commit's answer."""

    def __init__(self, kafka: Kafka, settings: Settings) -> None:
        self.acknowledged: set[str] = set()
        self._kafka, self._settings = kafka, settings
        self._left = ACKNOWLEDGEMENTS
        self._lock = threading.Lock()
        threads = [threading.Thread(target=self._write, args=[p]) for p in range(PARTITIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        kafka.process.wait(10)

    def _write(self, partition: int) -> None:
        writer = writer_of(self._settings, partition, reached=self._reached)
        while self._left > 0:
            one = command(AddCopies(ISBN, 1))
            (outcome,) = writer.execute([one], DEADLINE_S)
            if isinstance(outcome, Accepted):
                self.acknowledged.add(one.command_id)
        writer.close()

    def _reached(self, step: str) -> None:
        if step == "committed":
            with self._lock:
                self._left -= 1
                if self._left == 0:
                    self._kafka.process.kill()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_acknowledged_events_survive_a_kill_of_kafka_right_after_the_acknowledgement(tmp_path: Path):
    with embedded_broker(tmp_path / "kafka") as kafka:
        settings = Settings(kafka=kafka.bootstrap, partitions=PARTITIONS, data_dir=str(tmp_path))
        ensure_topics(AdminClient(client_config(settings)), settings)
        for partition in range(PARTITIONS):
            # The same title in each partition: to its writer there is no other
            accepted(run(writer_of(settings, partition), ADD)[0])
        acknowledged = set[str]()
        for _ in range(2):
            acknowledged |= KilledAtAcknowledgement(kafka, settings).acknowledged
            kafka.process = Kafka(kafka.node, os.environ).process
            for partition in range(PARTITIONS):
                writer = writer_of(settings, partition)
                accepted(run(writer, AddCopies(ISBN, 1))[0])
                writer.close()
        with open_reader(settings=settings) as reader:
            assert acknowledged <= {event.headers[COMMAND_ID] for event in reader}
