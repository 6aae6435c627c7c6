"""The end of a chaos run: everything is taken back, everybody is forgotten, and no user id is left."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka.admin import AdminClient

from eventstore.partitions import partition_of
from eventstore.state.outcomes import submit
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import ReturnBook
from inventory.patrons import ForgetPatron
from library.store.traces_of_user import Trace, every_record, forms
from producer.names.forgetting import forget
from producer.names.names import Names
from producer.writers import writer_of
from schemas.topics import names_topic
from tests.chaos.actor import TITLES
from tests.chaos.history import Recorder, as_json
from tests.chaos.patron_desk import DEADLINE_S, USERS

LIMIT_S = 3 * DEADLINE_S
RECORDS = ".jsonl"
"""Suffix of what clients record, the only files of a run that have user ids."""


def forget_everybody(settings: Settings, recorder: Recorder) -> None:
    """Return all loans and forget all borrowers: that ends what a killed process has begun."""
    names = Names(settings)
    for partition in range(settings.partitions):
        titles = [isbn for isbn in TITLES if partition_of(isbn, settings.partitions) == partition]
        batch = [submit(f"ending-{uuid4().hex}", ReturnBook(isbn, user)) for isbn in titles for user in USERS]
        for one in batch:
            recorder.called(one.command_id, as_json(one.command))
        writer = writer_of(settings, partition, names=names)
        for one, outcome in zip(batch, writer.execute(batch, LIMIT_S), strict=True):
            recorder.returned(one.command_id, outcome)
        writer.close()
    for user in USERS:
        id_ = f"ending-{uuid4().hex}"
        recorder.called(id_, as_json(ForgetPatron(user)))
        recorder.returned_about_patron(id_, forget(names, user, LIMIT_S))
    names.close()


def traces_of(settings: Settings, users: Sequence[str]) -> Iterator[Trace]:
    """Records of all other topics than the names, and files of the run, that have a user id in any form."""
    wanted = [(form, needle) for user in users for form, needles in forms(user).items() for needle in needles]

    def traces(place: str, content: bytes) -> Iterator[Trace]:
        return (Trace(place, form) for form, needle in wanted if needle in content)

    topics = AdminClient(client_config(settings)).list_topics(timeout=DEADLINE_S).topics
    for topic in sorted(name for name in topics if name.startswith(settings.name)):
        for message in every_record(settings, topic) if topic != names_topic(settings) else ():
            named: Any = message.headers() or []
            headers = [value or b"" for _, value in named]
            parts = b"\n".join((message.key() or b"", message.value() or b"", *headers))
            yield from traces(f"{topic} {message.partition()}:{message.offset()}", parts)
    for file in Path(settings.data_dir).rglob("*"):
        if file.is_file() and file.suffix != RECORDS:
            yield from traces(file.name, file.read_bytes())
