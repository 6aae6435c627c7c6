"""``library restore``: fill an empty event store from a backup."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from library.commands.succession import read_signers, write_successor

if TYPE_CHECKING:
    from confluent_kafka import Producer

    from evidence.note import Signer
    from foundation.settings import Settings
    from library.store.backup_file import Digest, Record
    from library.store.offsets import Offsets

TRANSACTION_RECORDS = 1000
TRANSACTION_S = 5.0
"""A partition's transaction is committed at the first of these limits."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_settings("data_dir", "kafka", "name", "partitions", "replication", "deadline")
@click.option("--check", "only_check", is_flag=True, help="Only check that FILE is complete.")
@click.option("--names", is_flag=True, help="FILE is from `backup --names`: give borrowers their names back.")
@click.option("--pseudonymise", is_flag=True, help="Give borrowers tokens, and keep their names apart.")
@click.option(
    "--successor",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a signed note that the new store has these events.",
)
@click.option(
    "--signing-key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The private key that signs it.",
)
def restore(
    settings: "Settings",
    file: Path,
    only_check: bool,
    names: bool,
    pseudonymise: bool,
    successor: Path | None,
    signing_key: Path | None,
) -> int:
    """Fill an empty event store from FILE.

    Every event keeps its version, ids, headers and time. The number of partitions may differ: a restore is
    the way to change it. Positions (partition:offset) change. Run an interrupted restore again, and it
    continues where it stopped; a store with any other event is refused.

    With --pseudonymise the events get tokens in place of user ids, and new digests of their commands. Then
    the new store is searched for each user id of FILE: it ends with 4 where callers have typed one into
    another text. The old store and its backups still have all names.

    With --names nobody comes back who was forgotten, and the system may run meanwhile.

    With --successor checkpoints of the old store stay of use: the note has the state of all its partitions,
    and of those of the new store. `library verify` reads it.
    """
    from msgspec import UNSET

    from library.store.backup_file import NotWhole, check, read

    try:
        header, digest = check(file)
        if header.kind is not UNSET and not (names or only_check):
            raise NotWhole("it has the names of borrowers, and no events: give --names")
    except (NotWhole, OSError) as error:
        raise CommandError(
            exits.BAD_DATA, f"{file} can't be used, and nothing was written: {error}"
        ) from error
    if only_check:
        store = f"{header.name}, {header.written_at:%Y-%m-%d %H:%M} UTC, {len(header.ends)} partitions"
        click.echo(f"complete: {digest.records:,} events of {store}; digest {digest.text()}", err=True)
        return exits.DONE
    signers = _signers(successor, signing_key, changes_events=names or pseudonymise)
    if names:
        if pseudonymise:
            raise CommandError(exits.MALFORMED, "give --names or --pseudonymise, not both")
        _restore_names(settings, file)
        return exits.DONE
    if not pseudonymise:
        _restore(settings, Source(file, lambda: read(file)[1], digest))
        if successor is not None:
            home = partial(_partition, partitions=settings.partitions)
            write_successor(settings, file, home, signers, successor)
        return exits.DONE
    return _pseudonymise(settings, file)


def _restore_names(settings: "Settings", file: Path) -> None:
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from library.store.backup_file import NotWhole
    from library.store.names import ensure_names
    from library.store.names_backup import restore_names

    try:
        with _using_kafka(settings, advice="; run the same command again"):
            ensure_names(AdminClient(client_config(settings)), settings)
            restored = restore_names(settings, file)
    except NotWhole as error:
        raise CommandError(
            exits.BAD_DATA, f"{file} can't be used, and nothing was written: {error}"
        ) from error
    click.echo(
        f"{restored.named:,} borrowers have their names again; {restored.known:,} had them, "
        f"{restored.forgotten:,} were forgotten, {restored.other:,} have another token or name now",
        err=True,
    )


@contextmanager
def _using_kafka(settings: "Settings", advice: str = "") -> Iterator[None]:
    """Raises the errors of Kafka and its topics as CommandErrors; ``advice`` follows those that pass."""
    from confluent_kafka import KafkaException

    from eventstore.errors import ClaimLost
    from eventstore.topics import WrongTopic
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable
    from library.store.offsets import StillOpen

    try:
        yield
    except (WrongTopic, StillOpen) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (ClaimLost, KafkaUnavailable) as error:
        raise CommandError(exits.UNAVAILABLE, f"{error}{advice}") from error
    except KafkaException as error:
        raise unreachable(settings, error) from error


def _signers(successor: Path | None, key: Path | None, *, changes_events: bool) -> "list[Signer]":
    """The keys that sign a successor; none without one. Raises CommandError."""
    if (successor is None) != (key is None):
        raise CommandError(exits.MALFORMED, "--successor and --signing-key need each other")
    if key is None:
        return []
    if changes_events:
        raise CommandError(
            exits.MALFORMED, "--successor is of the events of FILE: give neither --names nor --pseudonymise"
        )
    return read_signers(key)


class Source(NamedTuple):
    """The events to restore: each call of ``records`` reads them again."""

    file: Path
    records: Callable[[], "Iterator[Record]"]
    digest: "Digest"


def _pseudonymise(settings: "Settings", file: Path) -> int:
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import events_topic
    from foundation.cli.progress import Progress
    from foundation.kafka_clients import client_config
    from library.store.backup_file import Digest, read
    from library.store.names import ensure_names
    from library.store.offsets import settled_end
    from library.store.ordered_records import counted, records
    from library.store.pseudonyms import CannotPseudonymise, look_for, register, user_ids, with_tokens

    try:
        found = user_ids(read(file)[1])
        with _using_kafka(settings):
            admin = AdminClient(client_config(settings))
            ensure_names(admin, settings)
            directory = register(settings, sorted(found))
        digest = Digest()
        for record in with_tokens(read(file)[1], directory):
            digest.add(record)
    except CannotPseudonymise as error:
        raise CommandError(
            exits.BAD_DATA, f"{file} can't be used, and no event was written: {error}"
        ) from error
    _restore(settings, Source(file, lambda: with_tokens(read(file)[1], directory), digest))
    with _using_kafka(settings), Progress("searching", digest.records, "events") as progress:
        stored = records(settings, settled_end(admin, events_topic(settings), settings.deadline))
        left = look_for(found, counted(stored, progress.show))
    click.echo(f"{len(found):,} borrowers have tokens; {left.events:,} events were searched", err=True)
    for place, count in sorted(left.places.items()):
        click.echo(f"{count:,} events still have a user id in {place}: it is the text of a caller", err=True)
    if not left.places:
        click.echo("no user id is left in them", err=True)
    return exits.NOT_FOUND if left.places else exits.DONE


def _restore(settings: "Settings", source: Source) -> None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import events_topic
    from foundation.cli.progress import Progress
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from library.store.backup_file import Digest
    from library.store.names import ensure_names
    from library.store.offsets import StillOpen, settled_end
    from library.store.ordered_records import counted, records
    from library.store.pseudonyms import holds_tokens
    from schemas.topics import ensure_topics

    admin, (file, stored, expected) = AdminClient(client_config(settings)), source
    store = events_topic(settings)
    with _using_kafka(settings):
        if holds_tokens(stored()):
            # Without the topic of names, writers would put user ids beside the tokens
            ensure_names(admin, settings)
        ensure_topics(admin, settings)
        # Before the existing events are read: from here on no other writer can commit unnoticed
        writers = _fenced_writers(settings)
        existing = _existing(settled_end(admin, store, settings.deadline), settings, source)
    if existing:
        click.echo(
            f"{existing.total():,} events exist already, from an earlier restore of this file", err=True
        )
    try:
        with Progress("restoring", expected.records, "events") as progress:
            _write(store, writers, counted(stored(), progress.show), existing)
        written = Digest()
        with Progress("comparing", expected.records, "events") as progress:
            for record in counted(
                records(settings, settled_end(admin, store, settings.deadline)), progress.show
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
        partition = _partition(record, settings.partitions)
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


def _fenced_writers(settings: "Settings") -> list["Producer"]:
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


def _write(store: str, writers: list["Producer"], source: Iterator["Record"], existing: Counter[int]) -> None:
    """Write the records that do not exist yet. Raises KafkaException; earlier commits stay in the store."""
    pending: dict[int, int] = {}
    committed_at = time.monotonic()
    for record in source:
        partition = _partition(record, len(writers))
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


def _partition(record: "Record", partitions: int) -> int:
    """The partition of the event's key; a key that names no title keeps its number, modulo ``partitions``."""
    from eventstore.keys import BadKey
    from eventstore.partitions import partition_of
    from schemas.records import parse_title_key

    try:
        return partition_of(parse_title_key(record.key)[0], partitions)
    except BadKey:
        return record.partition % partitions
