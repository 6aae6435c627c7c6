"""Runs of a notary in this process, and damage to the event store for it to find."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from eventstore.key_files import add_key
from eventstore.topics import events_topic
from evidence.checkpoint import Checkpoint, notes_of, open_checkpoint
from evidence.note import Signer, Verifier
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from notary.event_log import EventLog
from notary.folder import CHECKPOINTS, STORE
from notary.follower import Follower
from notary.keys import key_file
from schemas.codec import encode
from schemas.events import BookAdded
from schemas.topics import ensure_topics
from tests.support.library.event_writer import BEGAN, numbered_isbn, write_events
from tests.support.waiting import eventually


def folder_of(settings: Settings) -> Path:
    return Path(settings.data_dir) / "notary"


def signer_of(settings: Settings) -> Signer:
    """The key of the system's notary, made when it is used first."""
    file = key_file(settings)
    return Signer(file.read_text().split()[0]) if file.exists() else add_key(file, "test")


def notarise(settings: Settings, *more: Signer, writers: Sequence[Verifier] = ()) -> SimpleNamespace:
    """Read and sign everything up to now: the refused partitions, and each partition's number of events.

    With the keys of ``writers``, their signatures are examined.
    """
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    follower = Follower(settings, folder, [signer_of(settings), *more], None, writers=writers)
    try:
        follower.run(Event(), once=True)
    finally:
        follower.close()
    events = {partition: standing.events for partition, standing in follower.standings.items()}
    return SimpleNamespace(refused=follower.refused, events=events)


def notes(settings: Settings) -> list[str]:
    """The notes in the notary's file."""
    found, rest = notes_of((folder_of(settings) / CHECKPOINTS).read_text())
    assert not rest
    return found


def checkpoints(settings: Settings) -> list[Checkpoint]:
    """The checkpoints in the notary's file, whose signatures were checked."""
    return [open_checkpoint(note, [signer_of(settings).verifier]) for note in notes(settings)]


def leaves(settings: Settings, partition: int = 0) -> list[bytes]:
    """The leaves in the notary's file."""
    data = (folder_of(settings) / f"leaves-{partition}").read_bytes()
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def title(number: int, version: int = 1, words: str = "Book") -> tuple[int, BookAdded]:
    """An event for ``write_events``."""
    return version, BookAdded(numbered_isbn(number), f"{words} {number}", "Dana", 1, BEGAN + number)


def add_titles(settings: Settings, numbers: range, words: str = "Book") -> None:
    """Write an event for each number, in one transaction."""
    write_events(settings, [title(number, words=words) for number in numbers])


def produce_outside(settings: Settings, number: int) -> None:
    """Write an event to partition 0 without a transaction."""
    version, event = title(number)
    producer = Producer(client_config(settings))
    key = f"{event.isbn}/{version}".encode()
    producer.produce(events_topic(settings), encode(event), key, 0, timestamp=event.timestamp)
    assert producer.flush(20) == 0


def make_anew(settings: Settings) -> None:
    """Delete the event store, and create it again, empty."""
    admin, topic = AdminClient(client_config(settings)), events_topic(settings)
    admin.delete_topics([topic])[topic].result(20)
    eventually(lambda: topic not in admin.list_topics(timeout=5).topics)
    ensure_topics(admin, settings)


def rebind(settings: Settings) -> None:
    """Let the notary's folder belong to the present topic, as if its log was changed on the disks."""
    (folder_of(settings) / STORE).write_bytes(msgspec.json.encode(EventLog(settings).store()))
