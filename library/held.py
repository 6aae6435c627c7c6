"""``library held``: titles with an event that can't be applied, why, and trying again."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from schemas import exits
from schemas.command_line import Ending, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from library.holding import Waiting
    from schemas.settings import Settings

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
    from schemas.printing import print_rows

    with _kafka_errors(settings):
        print_rows(COLUMNS, [waiting.shown() for waiting in _waiting(settings)], as_json)


@held.command()
@click.argument("isbn")
@json_lines
@with_settings("kafka", "name", "data_dir", "deadline")
def show(settings: "Settings", isbn: str, as_json: bool) -> None:
    """Show the event that the title ISBN waits for, as it stands in the event store."""
    from inventory import isbn as identifiers
    from inventory.texts import Malformed
    from library.holding import record_of
    from schemas.printing import print_rows

    try:
        wanted = identifiers.parse(isbn)
    except Malformed as error:
        raise Ending(exits.MALFORMED, str(error)) from error
    with _kafka_errors(settings):
        waiting = next((waiting for waiting in _waiting(settings) if waiting.isbn == wanted), None)
        if waiting is None:
            raise Ending(exits.NOT_FOUND, f"{wanted} does not wait for an event; `library held list`")
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

    from library.groups import GroupActive
    from library.holding import places
    from library.rewind import projector_from
    from schemas.kafka import client_config

    with _kafka_errors(settings):
        before = _waiting(settings)
        if not before:
            click.echo("no title waits", err=True)
            return exits.DONE
        admin = AdminClient(client_config(settings))
        try:
            followed = projector_from(admin, settings, places(before))
        except GroupActive as error:
            raise Ending(exits.FAILED, str(error)) from error
        if not followed:
            click.echo(
                f"{len(before):,} titles are tried again as soon as the projector is started", err=True
            )
            return exits.DONE
        after = _waiting(settings)
    click.echo(f"{len(before) - len(after):,} of {len(before):,} titles go on, {len(after):,} wait", err=True)
    return exits.NOT_FOUND if after else exits.DONE


def _waiting(settings: "Settings") -> "list[Waiting]":
    from library.holding import waiting

    return waiting(settings)


@contextmanager
def _kafka_errors(settings: "Settings") -> "Iterator[None]":
    from confluent_kafka import KafkaException

    from library.partition_log import Silent
    from schemas.unreachable import unreachable

    try:
        yield
    except (KafkaException, Silent) as error:
        raise unreachable(settings, error) from error
