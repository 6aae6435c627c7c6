"""Calls of writers, and the records that they wrote."""

from collections.abc import Iterator
from uuid import uuid4

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from eventstore.append.writer import Writer
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, Outcome, Refused, Submitted, submit
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from inventory.commands import AddBook, Command, checked
from inventory.isbn import in_house
from schemas.records import Recorded, recorded

ISBN, OTHER = "9781593275846", "9781680502992"
ADD = AddBook(ISBN, "Elixir in Action", "Sasa Juric", 3)
SECONDS = 20.0


def title_in(partition: int, partitions: int) -> str:
    """A new ISBN in a partition."""
    while partition_of(isbn := in_house(uuid4().int % 10**11), partitions) != partition:
        pass
    return isbn


def command(what: Command, command_id: str | None = None) -> Submitted:
    """A command as a caller submits it, with a new id unless one is given."""
    return submit(command_id or uuid4().hex, checked(what))


def run(writer: Writer, *what: Command) -> list[Outcome]:
    """Execute new commands in one batch; return their outcomes."""
    return writer.execute([command(one) for one in what], SECONDS)


def accepted(outcome: Outcome) -> Accepted:
    assert isinstance(outcome, Accepted), outcome
    return outcome


def refused(outcome: Outcome) -> str:
    """Check that the outcome is a refusal, and return its code."""
    assert isinstance(outcome, Refused), outcome
    return outcome.rejection.code


def committed_records(settings: Settings, partition: int = 0) -> list[Message]:
    """All committed records of a partition."""
    consumer = Consumer(reading_config(settings) | {"group.id": "test"})
    consumer.assign([TopicPartition(events_topic(settings), partition, 0)])
    try:
        return list(_until_the_end(consumer))
    finally:
        consumer.close()


def history(settings: Settings, isbn: str = ISBN) -> list[Recorded]:
    """The events of a title in a system with one partition."""
    events = [recorded(message) for message in committed_records(settings)]
    return [event for event in events if event.event.isbn == isbn]


def event_types(settings: Settings, isbn: str = ISBN) -> list[str]:
    """The types of a title's events; their versions are 1, 2, 3 …"""
    events = history(settings, isbn)
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    return [event.type for event in events]


def foreign_producer(
    settings: Settings, transactional_id: str | None = None, timeout_s: float = 60.0
) -> Producer:
    """A producer without the fence."""
    config = client_config(settings)
    if transactional_id is None:
        return Producer(config)
    producer = Producer(
        config | {"transactional.id": transactional_id, "transaction.timeout.ms": int(timeout_s * 1000)}
    )
    producer.init_transactions(SECONDS)
    return producer


def _until_the_end(consumer: Consumer) -> Iterator[Message]:
    while True:
        message = consumer.poll(SECONDS)
        assert message is not None, "the log can't be read to its end"
        if message.error() is not None:
            return
        yield message
