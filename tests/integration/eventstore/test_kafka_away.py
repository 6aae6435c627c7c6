"""While Kafka does not answer, the outcome is true by the deadline. All continues when Kafka is back."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient

from eventstore.state.outcomes import OutcomeUnknown
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddCopies, BorrowBook, ReturnBook
from library.process.ports import free_port
from producer.writers import writer_of
from schemas.topics import ensure_topics
from tests.support.brokers import embedded_broker
from tests.support.embedded_kafka import Kafka
from tests.support.freezing import freeze, thaw
from tests.support.live_producers import live_producers
from tests.support.producer.writer_calls import ADD, ISBN, accepted, command, event_types, refused, run


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that these tests may stop and kill."""
    with embedded_broker(tmp_path_factory.mktemp("own")) as own:
        yield own


def fresh(kafka: Kafka, tmp_path: Path) -> Settings:
    settings = Settings(kafka=kafka.bootstrap, name=tmp_path.name, partitions=1, data_dir=str(tmp_path))
    ensure_topics(AdminClient(client_config(settings)), settings)
    return settings


def test_a_kafka_that_never_answered_means_nothing_was_sent():
    writer = writer_of(Settings(kafka=f"127.0.0.1:{free_port()}", partitions=1), 0)
    (outcome,) = writer.execute([command(ADD)], 1.0)
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent
    assert "Kafka" in outcome.reason
    writer.close()


def test_a_missing_topic_is_named(broker: str):
    writer = writer_of(Settings(kafka=broker, name="nobody-made-this", partitions=1), 0)
    (outcome,) = writer.execute([command(ADD)], 600)
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent
    assert "library topics create" in outcome.reason
    writer.close()


def test_a_writer_names_another_partition_count(new_settings: Callable[..., Settings]):
    other = msgspec.structs.replace(new_settings(partitions=2), partitions=4)
    writer = writer_of(other, 1)
    (outcome,) = writer.execute([command(ADD)], 600)
    assert isinstance(outcome, OutcomeUnknown)
    assert not outcome.sent
    assert "has 2 partitions, the settings say 4: `library doctor`" in outcome.reason
    writer.close()


@pytest.mark.parametrize("step", ["claimed", "read", "decided", "delivered"])
def test_a_kafka_that_freezes_at_any_step_makes_the_outcome_unknown_until_it_is_repeated(
    kafka: Kafka, tmp_path: Path, step: str
):
    settings = fresh(kafka, tmp_path)
    once = iter([True])

    def reached(now: str) -> None:
        if now == step and next(once, False):
            freeze(kafka.process.pid)

    first = writer_of(settings, 0)
    run(first, ADD)
    writer = writer_of(settings, 0, reached=reached)
    borrow = command(BorrowBook(ISBN, "ann"))
    try:
        (outcome,) = writer.execute([borrow], 2.0)
    finally:
        thaw(kafka.process.pid)
    assert isinstance(outcome, OutcomeUnknown)
    assert outcome.sent == (step == "delivered")
    accepted(writer.execute([borrow], 30)[0])
    assert refused(run(first, BorrowBook(ISBN, "ann"))[0]) == "already_borrowed"
    assert event_types(settings) == ["BookAdded", "BookBorrowed"]
    writer.close()
    first.close()


def test_a_writer_keeps_no_producer_of_a_claim_that_it_lost(kafka: Kafka, tmp_path: Path):
    settings, before = fresh(kafka, tmp_path), live_producers()
    writer = writer_of(settings, 0)
    accepted(run(writer, ADD)[0])
    for _ in range(2):
        freeze(kafka.process.pid)
        try:
            (outcome,) = writer.execute([command(AddCopies(ISBN, 1))], 1.0)
        finally:
            thaw(kafka.process.pid)
        assert isinstance(outcome, OutcomeUnknown)
        accepted(run(writer, AddCopies(ISBN, 1))[0])
    writer.close()
    del writer
    assert live_producers() <= before


def test_a_writer_resumes_after_kafka_restarts(tmp_path: Path):
    with embedded_broker(tmp_path / "kafka") as kafka:
        settings = fresh(kafka, tmp_path)
        writer = writer_of(settings, 0)
        run(writer, ADD)
        kafka.kill()
        outcomes = []
        waiting = threading.Thread(
            target=lambda: outcomes.extend(writer.execute([command(BorrowBook(ISBN, "ann"))], 60))
        )
        waiting.start()
        again = Kafka(kafka.node, os.environ)
        try:
            waiting.join(60)
            accepted(outcomes[0])
            accepted(run(writer, ReturnBook(ISBN, "ann"))[0])
            assert event_types(settings) == ["BookAdded", "BookBorrowed", "BookReturned"]
            writer.close()
        finally:
            again.stop()
