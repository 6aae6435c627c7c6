"""The speed of the machine at this moment, to compare figures of different machines and days."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.topics import ensure_topics

LOOP_STEPS = 1_000_000
TRIES = 50
BLOCK_BYTES = 4096


class Calibration(Struct, frozen=True):
    """Medians of three things that every benchmark of writes depends on."""

    loop_ms: float
    """A million steps of a Python loop."""
    fsync_ms: float
    """Write and flush a block of 4 KiB, in the folder of Kafka's data."""
    kafka_transaction_ms: float
    """One record and its commit, with a producer that does nothing else."""


def calibrate(kafka: str, folder: Path) -> Calibration:
    """Measure the machine, the disk of ``folder`` and the Kafka at ``kafka``. Raises KafkaException."""
    settings = Settings(kafka=kafka, name="calibration", partitions=1)
    ensure_topics(AdminClient(client_config(settings)), settings)
    return Calibration(
        round(_median_ms(_loop, 5), 2), round(_fsync_ms(folder), 3), round(_transaction_ms(settings), 2)
    )


def _median_ms(work: Callable[[], object], tries: int = TRIES) -> float:
    took = []
    for _ in range(tries):
        begun = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - begun))
    return median(took)


def _loop() -> int:
    total = 0
    for number in range(LOOP_STEPS):
        total += number & 7
    return total


def _fsync_ms(folder: Path) -> float:
    with (folder / "calibration").open("wb") as file:

        def flush() -> None:
            file.write(bytes(BLOCK_BYTES))
            file.flush()
            os.fsync(file.fileno())

        return _median_ms(flush)


def _transaction_ms(settings: Settings) -> float:
    config = client_config(settings) | {"transactional.id": f"{settings.name}.calibration", "linger.ms": 0}
    producer = Producer(config)
    producer.init_transactions(30)

    def transaction() -> None:
        producer.begin_transaction()
        producer.produce(events_topic(settings), b"", b"calibration", 0)
        producer.commit_transaction(30)

    return _median_ms(transaction)
