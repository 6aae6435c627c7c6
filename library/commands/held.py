"""``library held``: titles with an event that can't be applied, the reasons, and a retry."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foundation.settings import Settings
    from library.store.held_titles import HeldTitle

COLUMNS = ("isbn", "title", "version", "position", "reason")

json_lines = click.option("--json", "as_json", is_flag=True, help="JSON lines.")


@click.group()
def held() -> None:
    """Titles with an event that could not be applied; other titles are not affected.

    Such an event was written by a newer program, or is damaged. Until it can be applied, the title keeps its
    previous state, and its later events wait.
    """


@held.command("list")
@json_lines
@with_settings("kafka", "name", "data_dir", "deadline")
def list_held(settings: "Settings", as_json: bool) -> None:
    """List the held titles, each with the event that can't be applied."""
    from foundation.cli.tables import print_rows

    with _kafka_errors(settings):
        rows = [title.as_row() for title in _held_titles(settings)]
    print_rows(COLUMNS, rows, as_json, nothing="no held titles")


@held.command()
@click.argument("isbn")
@json_lines
@with_settings("kafka", "name", "data_dir", "deadline")
def show(settings: "Settings", isbn: str, as_json: bool) -> None:
    """Show the event that can't be applied to the title ISBN, as the event store has it."""
    from foundation.cli.tables import print_rows
    from foundation.text import Malformed
    from inventory import isbn as identifiers
    from library.store.held_titles import event_record

    try:
        wanted = identifiers.parse(isbn)
    except Malformed as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    with _kafka_errors(settings):
        title = next((title for title in _held_titles(settings) if title.isbn == wanted), None)
        if title is None:
            raise CommandError(
                exits.NOT_FOUND, f"{wanted} is not held; `library held list` lists held titles"
            )
        record = {**title.as_row(), **event_record(settings, title)}
    if as_json:
        print_rows([], [record], as_json)
    else:
        print_rows(["field", "value"], [{"field": name, "value": value} for name, value in record.items()])


@held.command()
@with_settings("kafka", "name", "data_dir", "deadline")
def retry(settings: "Settings") -> int:
    """Try the events of held titles again, for example after an upgrade.

    The projector reads each partition again from the first such event; rows that are up to date stay as they
    are. Ends with 4 if titles are still held.
    """
    from confluent_kafka.admin import AdminClient

    from foundation.kafka_clients import client_config
    from library.store.groups import GroupActive
    from library.store.held_titles import first_offsets
    from library.system.rewind import replay_projector

    with _kafka_errors(settings):
        before = _held_titles(settings)
        if not before:
            click.echo("no title is held", err=True)
            return exits.DONE
        admin = AdminClient(client_config(settings))
        try:
            finished = replay_projector(admin, settings, first_offsets(before))
        except GroupActive as error:
            raise CommandError(exits.FAILED, str(error)) from error
        if not finished:
            click.echo(f"{len(before):,} titles are tried again as soon as a projector starts", err=True)
            return exits.DONE
        after = _held_titles(settings)
    click.echo(
        f"{len(before) - len(after):,} of {len(before):,} titles released, {len(after):,} still held",
        err=True,
    )
    return exits.NOT_FOUND if after else exits.DONE


def _held_titles(settings: "Settings") -> "list[HeldTitle]":
    from library.store.held_titles import held_titles

    return held_titles(settings)


@contextmanager
def _kafka_errors(settings: "Settings") -> "Iterator[None]":
    from confluent_kafka import KafkaException

    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable

    try:
        yield
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
