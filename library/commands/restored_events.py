"""The events of a backup in a new store, byte by byte."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from foundation.cli import exits
from foundation.cli.app import CommandError
from library.commands.kafka_errors import using_kafka

if TYPE_CHECKING:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings
    from library.store.backup_file import Digest, Record
    from library.store.offsets import Offsets

TRANSACTION_RECORDS = 1000
TRANSACTION_S = 5.0
"""A partition's transaction is committed at the first of these limits."""
ABORT_S = 2.0
"""How long an interrupted restore waits for the abort of each partition's transaction."""


class Source(NamedTuple):
    """The events to restore: each call of ``records`` reads them again."""

    file: Path
    records: Callable[[], "Iterator[Record]"]
    digest: "Digest"
    tokens: bool | None
    """Whether borrowers in the events have tokens; False: user ids; None: there are none."""


def restore_events(settings: "Settings", source: Source) -> None:
    """Write the events into the store, and compare it with them. Raises CommandError.

    An earlier restore that broke off is continued. A store that does not exist is made, of the events' kind.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import events_topic
    from foundation.cli.progress import Progress
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from library.store.backup_file import Digest
    from library.store.offsets import StillOpen, settled_end
    from library.store.ordered_records import counted, records

    admin, (file, stored, expected, _) = AdminClient(client_config(settings)), source
    store = events_topic(settings)
    with using_kafka(settings):
        _ensure_store_for(admin, settings, source)
        # Before the existing events are read: from here on no other writer can commit unnoticed
        writers = fenced_writers(settings)
        existing = _existing(settled_end(settings, store, settings.deadline), settings, source)
    if existing:
        click.echo(
            f"{existing.total():,} events exist already, from an earlier restore of this file", err=True
        )
    try:
        with Progress("restoring", expected.records, "events") as progress:
            write_missing(store, writers, counted(stored(), progress.show), existing)
        written = Digest()
        with Progress("comparing", expected.records, "events") as progress:
            for record in counted(
                records(settings, settled_end(settings, store, settings.deadline)), progress.show
            ):
                written.add(record)
    except (KafkaException, KafkaUnavailable, StillOpen) as error:
        raise CommandError(
            exits.FAILED,
            f"the restore broke off: {error}. {store} has only a part of the events and must not be used "
            "yet: make sure that nothing else writes to it, and run the same command again; it continues "
            "where it stopped",
        ) from error
    if written.text() != expected.text():
        raise CommandError(
            exits.FAILED,
            f"{store} has {written.records:,} events and differs from {file}: another program wrote to it "
            "meanwhile. It must not be used: remove it, and restore again while nothing writes to it",
        )
    click.echo(f"restored and compared {written.records:,} events; digest {written.text()}", err=True)


def _ensure_store_for(admin: "AdminClient", settings: "Settings", source: Source) -> None:
    """Create the store's missing topics. Raises CommandError for user ids in a store that has tokens."""
    from library.store.names import ensure_store
    from schemas.topics import has_names, names_topic

    if source.tokens is False and has_names(admin, settings):
        raise CommandError(
            exits.REFUSED,
            f"nothing was written: the events in {source.file} have user ids, and this store keeps the names "
            f"of borrowers apart, in {names_topic(settings)}. `library restore FILE --pseudonymise` gives "
            "borrowers tokens. `library up --no-names --data-dir DIR`, or `library topics create --no-names "
            "--name NAME`, makes a store for user ids",
            "user_ids",
        )
    # With tokens: without the topic of names, writers would put user ids beside them
    ensure_store(admin, settings, names=source.tokens)


def _existing(ends: "Offsets", settings: "Settings", source: Source) -> Counter[int]:
    """Number of the file's events with which each partition begins, after an interrupted restore.

    Raises CommandError for any other event, and as ``records`` and ``read``.
    """
    from library.store.ordered_records import records

    unread = {partition: records(settings, {partition: end}) for partition, end in ends.items()}
    existing: Counter[int] = Counter()
    for record in source.records():
        if not unread:
            break
        partition = home_of(record, settings.partitions)
        if partition not in unread:
            continue
        stored = next(unread[partition], None)
        if stored is None:
            del unread[partition]
        elif _content(stored) == _content(record):
            existing[partition] += 1
        else:
            raise _not_empty(settings, source.file, stored)
    for left in unread.values():
        if (stored := next(left, None)) is not None:
            raise _not_empty(settings, source.file, stored)
    return existing


def _content(record: "Record") -> tuple[object, ...]:
    return record.key, record.value, record.timestamp, record.headers


def _not_empty(settings: "Settings", file: Path, stored: "Record") -> CommandError:
    from eventstore.topics import events_topic

    key = (stored.key or b"").decode(errors="replace")
    return CommandError(
        exits.FAILED,
        f"{events_topic(settings)} is not empty, and its event {key} is not from an earlier restore of "
        f"{file}: a backup is only restored into a new store, for example with another --data-dir or --name",
    )


def fenced_writers(settings: "Settings") -> list["Producer"]:
    """One producer for each partition; claiming its fence stops every other writer of the partition."""
    from confluent_kafka import Producer

    from eventstore.topics import fence_id
    from foundation.kafka_clients import client_config

    writers = []
    for partition in range(settings.partitions):
        config = {"transactional.id": fence_id(settings, partition), "linger.ms": 20}
        writer = Producer(client_config(settings) | config)
        writer.init_transactions(settings.deadline)
        writers.append(writer)
    return writers


def write_missing(
    store: str, writers: list["Producer"], source: Iterator["Record"], existing: Counter[int]
) -> None:
    """Write the records that do not exist yet. Raises KafkaException; earlier commits stay in the store."""
    from foundation.kafka_clients import leave_transaction

    pending: dict[int, int] = {}
    try:
        _write_all(store, writers, source, existing, pending)
    except BaseException:
        for partition in pending:
            leave_transaction(writers[partition], ABORT_S)
        raise


def _write_all(
    store: str,
    writers: list["Producer"],
    source: Iterator["Record"],
    existing: Counter[int],
    pending: dict[int, int],
) -> None:
    """``pending`` has the number of records in each partition's open transaction."""
    committed_at = time.monotonic()
    for record in source:
        partition = home_of(record, len(writers))
        if existing[partition]:
            existing[partition] -= 1
            continue
        writer = writers[partition]
        if partition not in pending:
            pending[partition] = 0
            writer.begin_transaction()
        headers: Any = record.headers
        writer.produce(
            store, record.value, record.key, partition, timestamp=record.timestamp, headers=headers
        )
        pending[partition] += 1
        if pending[partition] == TRANSACTION_RECORDS:
            writer.commit_transaction()
            del pending[partition]
        if time.monotonic() - committed_at > TRANSACTION_S:
            _commit(writers, pending)
            committed_at = time.monotonic()
    _commit(writers, pending)


def _commit(writers: list["Producer"], pending: dict[int, int]) -> None:
    for partition in pending:
        writers[partition].commit_transaction()
    pending.clear()


def home_of(record: "Record", partitions: int) -> int:
    """The partition of the event's key; a key that names no title keeps its number, modulo ``partitions``."""
    from eventstore.keys import BadKey
    from eventstore.partitions import partition_of
    from schemas.records import parse_title_key

    try:
        return partition_of(parse_title_key(record.key)[0], partitions)
    except BadKey:
        return record.partition % partitions
