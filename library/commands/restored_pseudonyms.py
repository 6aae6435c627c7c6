"""``library restore --pseudonymise``: the events of a backup with tokens in place of user ids."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError
from library.commands.kafka_errors import using_kafka
from library.commands.restored_events import Source, restore_events

if TYPE_CHECKING:
    from foundation.settings import Settings


def restore_with_tokens(settings: "Settings", file: Path) -> int:
    """Restore the events of FILE with tokens, and search the store for user ids; returns an exit code.

    Raises CommandError.
    """
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
        with using_kafka(settings):
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
    restore_events(settings, Source(file, lambda: with_tokens(read(file)[1], directory), digest, tokens=True))
    with using_kafka(settings), Progress("searching", digest.records, "events") as progress:
        stored = records(settings, settled_end(settings, events_topic(settings), settings.deadline))
        left = look_for(found, counted(stored, progress.show))
    click.echo(f"{len(found):,} borrowers have tokens; {left.events:,} events were searched", err=True)
    for place, count in sorted(left.places.items()):
        click.echo(f"{count:,} events still have a user id in {place}: it is the text of a caller", err=True)
    if not left.places:
        click.echo("no user id is left in them", err=True)
    return exits.NOT_FOUND if left.places else exits.DONE
