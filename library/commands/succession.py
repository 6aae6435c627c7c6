"""``library restore --successor``: a signed note that the new store has the events of the old one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from evidence.note import Signer
    from foundation.settings import Settings
    from library.store.backup_file import Record


def read_signers(file: Path) -> "list[Signer]":
    """The private keys in a file, one a line. Raises CommandError."""
    from evidence.note import BadKeyText, Signer

    try:
        signers = [Signer(line) for line in file.read_text("utf-8").split()]
    except (OSError, UnicodeDecodeError, BadKeyText) as error:
        raise CommandError(exits.FAILED, f"{file} has no private keys: {error}") from error
    if not signers:
        raise CommandError(exits.FAILED, f"{file} has no private keys: it is empty")
    return signers


def write_successor(
    settings: "Settings",
    backup: Path,
    partition: "Callable[[Record], int]",
    signers: "Sequence[Signer]",
    file: Path,
) -> None:
    """Compare the store with the backup that was restored into it, and write the signed note into ``file``.

    ``partition`` is a record's partition in the store. Raises CommandError.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import events_topic
    from evidence.checkpoint import filed
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from library.store.backup_file import read
    from library.store.offsets import StillOpen, settled_end
    from library.store.ordered_records import records
    from library.store.succession import NotTheSame, successor_of
    from schemas.topics import identify

    admin = AdminClient(client_config(settings))
    try:
        store = identify(admin, settings, settings.deadline)
        ends = settled_end(settings, events_topic(settings), settings.deadline)
        successor = successor_of(
            signers[0].name,
            read(backup),
            (store.cluster, store.events),
            records(settings, ends),
            partition,
            settings.partitions,
        )
        file.write_text(filed(successor.signed(signers)), "utf-8")
    except (NotTheSame, StillOpen, OSError) as error:
        raise CommandError(exits.FAILED, f"{file} was not written: {error}") from error
    except KafkaException as error:
        raise unreachable(settings, error) from error
    except KafkaUnavailable as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    click.echo(f"{file} connects both stores: {successor.events:,} events", err=True)
