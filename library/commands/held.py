"""``library held``: titles with an event that can't be applied, why, and trying again."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.settings import Settings
    from library.store.held_titles import Waiting

COLUMNS = ("isbn", "title", "version", "position", "reason")

json_lines = click.option("--json", "as_json", is_flag=True, help="JSON lines.")


@click.group()
def held() -> None:
    """Titles with an event that could not be applied; all others go on without them.

    Such an event was written by a newer program, or is damaged. Until it can be applied, its title stays as
    it was before, and later events of it wait.
    """


@held.command("list")
@json_lines
@with_settings("kafka", "name", "data_dir", "deadline")
def list_held(settings: "Settings", as_json: bool) -> None:
    """List the titles that wait, and for which event."""
    from foundation.cli.tables import print_rows

    with _kafka_errors(settings):
        print_rows(COLUMNS, [waiting.shown() for waiting in _waiting(settings)], as_json)


@held.command()
@click.argument("isbn")
@json_lines
@with_settings("kafka", "name", "data_dir", "deadline")
def show(settings: "Settings", isbn: str, as_json: bool) -> None:
    """Show the event that the title ISBN waits for, as it stands in the event store."""
    from foundation.cli.tables import print_rows
    from inventory import isbn as identifiers
    from inventory.texts import Malformed
    from library.store.held_titles import record_of

    try:
        wanted = identifiers.parse(isbn)
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    with _kafka_errors(settings):
        waiting = next((waiting for waiting in _waiting(settings) if waiting.isbn == wanted), None)
        if waiting is None:
            raise CommandError(exits.NOT_FOUND, f"{wanted} does not wait for an event; `library held list`")
        record = {**waiting.shown(), **record_of(settings, waiting)}
    if as_json:
        print_rows([], [record], as_json)
    else:
        print_rows(["field", "value"], [{"field": name, "value": value} for name, value in record.items()])


@held.command()
@with_settings("kafka", "name", "data_dir", "deadline")
def retry(settings: "Settings") -> int:
    """Go back to the events that titles wait for, and try them again; after an upgrade, for example.

    The projector reads again from the first such event of each partition; what it has already is left as it
    is. Ends with 4 when titles still wait.
    """
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from library.store.groups import GroupActive
    from library.store.held_titles import places
    from library.system.rewind import projector_from

    with _kafka_errors(settings):
        before = _waiting(settings)
        if not before:
            click.echo("no title waits", err=True)
            return exits.DONE
        admin = AdminClient(client_config(settings))
        try:
            followed = projector_from(admin, settings, places(before))
        except GroupActive as error:
            raise CommandError(exits.FAILED, str(error)) from error
        if not followed:
            click.echo(
                f"{len(before):,} titles are tried again as soon as the projector is started", err=True
            )
            return exits.DONE
        after = _waiting(settings)
    click.echo(f"{len(before) - len(after):,} of {len(before):,} titles go on, {len(after):,} wait", err=True)
    return exits.NOT_FOUND if after else exits.DONE


def _waiting(settings: "Settings") -> "list[Waiting]":
    from library.store.held_titles import waiting

    return waiting(settings)


@contextmanager
def _kafka_errors(settings: "Settings") -> "Iterator[None]":
    from confluent_kafka import KafkaException

    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable

    try:
        yield
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
