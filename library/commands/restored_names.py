"""``library restore --names``: borrowers get their names from a backup of names."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError
from library.commands.kafka_errors import using_kafka

if TYPE_CHECKING:
    from foundation.settings import Settings


def name_borrowers(settings: "Settings", file: Path) -> None:
    """Name borrowers as FILE does, except those who were forgotten. Raises CommandError."""
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from library.store.backup_file import NotWhole
    from library.store.names import ensure_names
    from library.store.names_backup import restore_names

    try:
        with using_kafka(settings, advice="; run the same command again"):
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
