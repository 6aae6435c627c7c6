"""Transactions that stay open on the event store: the check, and the way to end one."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from library.checks.finding import Finding, Grade
from library.store.offsets import end, high_watermarks

if TYPE_CHECKING:
    from foundation.settings import Settings

POLL_INTERVAL_S = 0.25


def transactions(settings: "Settings", patience_s: float) -> Iterator[Finding]:
    """Whether a transaction stays open on the event store: it blocks writers and readers of its partition."""
    topic = events_topic(settings)
    began, acknowledged = end(settings, topic), high_watermarks(settings, topic)
    stuck = {p: offset for p, offset in began.items() if offset < acknowledged[p]}
    give_up = time.monotonic() + patience_s
    while stuck and time.monotonic() < give_up:
        time.sleep(POLL_INTERVAL_S)
        now = end(settings, topic)
        stuck = {p: offset for p, offset in stuck.items() if now[p] == offset}
    if not stuck:
        yield Finding("transactions", Grade.FINE, "none stays open")
    for partition, offset in stuck.items():
        yield Finding(
            "transactions",
            Grade.BROKEN,
            f"a transaction is open on partition {partition} since offset {offset}. It belongs to another "
            "program, or Kafka was killed and lost its end marker. Nothing after that offset can be read, "
            "and nothing can be appended",
            _way_to_end(topic, partition, offset),
        )


def _way_to_end(topic: str, partition: int, offset: int) -> str:
    """Claiming its id fences a living owner; an abort of the partition alone would acknowledge half to it."""
    tool, place = "library kafka transactions", f"--topic {topic} --partition {partition}"
    return (
        "stop that program, or wait until Kafka ends the transaction (15 minutes at most). If it stays open, "
        f"find its id: `{tool} describe-producers {place}` prints the id of the producer, and `{tool} list` "
        "the producer of each transactional id. `library doctor --end-transaction ID` claims that id: its "
        "owner can't commit any more, and Kafka drops the events of the transaction. If no transactional id "
        "has that producer, the transaction has no owner, and "
        f"`{tool} abort {place} --start-offset {offset}` drops its events"
    )


def end_transaction(settings: "Settings", transactional_id: str, timeout_s: float) -> None:
    """Claim the id: fence its owner, and have Kafka abort the transaction that it has open.

    Returns when that is done. Raises KafkaException.
    """
    producer = Producer(client_config(settings) | {"transactional.id": transactional_id})
    producer.init_transactions(timeout_s)
