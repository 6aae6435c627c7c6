"""``library backup``: the event store in one file."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@with_settings("data_dir", "kafka", "name", "deadline")
@click.option("--names", is_flag=True, help="Write the names of borrowers instead of the events.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def backup(settings: "Settings", file: Path, names: bool, as_json: bool) -> None:
    """Write the event store to FILE.

    FILE contains every event up to now, with its version, ids, headers and time; everything else can be
    computed from the events. The system keeps running meanwhile. FILE is compressed JSON lines, ends with a
    count and a digest, and is read by `library restore`.

    In a store that keeps names apart, FILE has tokens in place of user ids. With --names it has the names
    alone: delete such a file when it may be kept no longer.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient
    from msgspec import UNSET

    from eventstore.positions import format_positions
    from eventstore.topics import events_topic
    from foundation.cli.progress import Progress
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from library.store.backup_file import TOKENS, Header, write
    from library.store.offsets import StillOpen, settled_end
    from library.store.ordered_records import counted, records
    from schemas.tables import current_table
    from schemas.topics import has_names, identify

    if file.exists():
        raise CommandError(exits.FAILED, f"{file} exists already: choose another name, or remove it")
    admin = AdminClient(client_config(settings))
    # Renamed when it is complete: a file of that name is always whole
    part = file.with_name(f"{file.name}.part")
    try:
        if names:
            _backup_names(settings, admin, part, as_json)
            part.replace(file)
            return
        identity = identify(admin, settings, settings.deadline, current_table(admin, settings))
        ends = settled_end(settings, events_topic(settings), settings.deadline)
        header = Header(
            name=settings.name,
            cluster=identity.cluster,
            topic_id=identity.events,
            written_at=datetime.now(UTC),
            ends=[ends[partition] for partition in sorted(ends)],
            borrowers=TOKENS if has_names(admin, settings, settings.deadline) else UNSET,
        )
        with Progress("writing", sum(ends.values()), "records") as progress:
            digest = write(part, header, counted(records(settings, ends), progress.show))
        part.replace(file)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    except KafkaUnavailable as error:
        raise CommandError(exits.UNAVAILABLE, str(error)) from error
    except StillOpen as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except OSError as error:
        raise CommandError(exits.FAILED, f"{file} can't be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    up_to = format_positions({partition: offset - 1 for partition, offset in ends.items()})
    if as_json:
        click.echo(
            json.dumps({"file": str(file), "events": digest.records, "up_to": up_to, "digest": digest.text()})
        )
    else:
        click.echo(f"{digest.records:,} events up to {up_to or 'nothing'}, digest {digest.text()}", err=True)


def _backup_names(settings: "Settings", admin: "AdminClient", part: Path, as_json: bool) -> None:
    from library.store.names_backup import write_names
    from schemas.topics import has_names

    if not has_names(admin, settings, settings.deadline):
        raise CommandError(exits.REFUSED, "this store has no names besides its events", "no_names")
    digest = write_names(settings, admin, part, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps({"records": digest.records, "digest": digest.text()}))
    else:
        click.echo(f"{digest.records:,} records of borrowers, digest {digest.text()}", err=True)
