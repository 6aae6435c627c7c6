"""A store that keeps the names of borrowers apart, and looks at what is in it."""

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from eventstore.append.deadline import Deadline
from eventstore.partition_reader import read_partition
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import Command
from inventory.patrons import PatronState
from library.store.offsets import settled_end
from producer.names.names import Names
from producer.writers import writer_of
from schemas.directory import Directory
from schemas.events import BookBorrowed, BookReturned, CopiesWithdrawn
from schemas.records import recorded
from schemas.topics import ensure_names_topic, names_topic
from tests.support.producer.writer_calls import SECONDS, Outcome, command


def keep_names_apart(settings: Settings) -> Settings:
    """Give a new store the topic of names."""
    ensure_names_topic(AdminClient(client_config(settings)), settings)
    return settings


def lend(settings: Settings, what: Command, command_id: str | None = None) -> Outcome:
    """Execute a command with a writer and names of its own, as the command line does."""
    names = Names(settings)
    writer = writer_of(settings, 0, names=names)
    try:
        (outcome,) = writer.execute([command(what, command_id)], SECONDS)
        return outcome
    finally:
        writer.close()
        names.close()


def records(settings: Settings, topic: str) -> list[Message]:
    """All committed records of a topic."""
    ends = settled_end(settings, topic, SECONDS)
    return [message for p, end in ends.items() for message in read_partition(settings, topic, p, end=end)]


def directory(settings: Settings) -> Directory:
    """The names as a new reader has them."""
    names = Names(settings)
    try:
        names.refresh(Deadline(SECONDS))
        return names.directory
    finally:
        names.close()


def loans(settings: Settings) -> set[tuple[str, str]]:
    """Open loans by the events: titles and tokens."""
    found: set[tuple[str, str]] = set()
    for message in records(settings, events_topic(settings)):
        event = recorded(message).event
        if isinstance(event, BookBorrowed):
            found.add((event.isbn, event.user_id))
        elif isinstance(event, BookReturned | CopiesWithdrawn):
            found.discard((event.isbn, str(event.user_id)))
    return found


def require_nothing_lent_to_the_forgotten(settings: Settings) -> None:
    """No forgotten borrower has an open loan: nobody would know who has the book."""
    forgotten = directory(settings).forgotten
    assert not {token for _, token in loans(settings)} & set(forgotten)


def bytes_of_events(settings: Settings) -> bytes:
    """Keys, values and headers of all events."""
    return b"\n".join(
        b"\n".join(
            [
                message.key() or b"",
                message.value() or b"",
                *(value.encode() for value in recorded(message).headers.values()),
            ]
        )
        for message in records(settings, events_topic(settings))
    )


def names_records(settings: Settings) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of the names."""
    return [(message.key(), message.value()) for message in records(settings, names_topic(settings))]


def patron(result: object) -> PatronState:
    """What a command about a borrower led to."""
    assert isinstance(result, PatronState), result
    return result


def state(result: object) -> str:
    """The state that a command about a borrower led to."""
    return patron(result).state
