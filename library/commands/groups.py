"""``library groups``: the consumer groups of the event store, their offsets and lag."""

from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings

COLUMNS = ("group", "state", "members", "lag", "offsets")
MAX_GROUP_CHARACTERS = 200


@click.command()
@with_settings("kafka", "name", "data_dir", "deadline")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def groups(settings: "Settings", as_json: bool) -> None:
    """List the consumer groups that read the events: members, offsets, and records still to be read."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.positions import format_positions
    from foundation.cli.tables import print_rows
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import client_config
    from library.store.groups import readers_of

    admin = AdminClient(client_config(settings))
    try:
        found = readers_of(admin, settings)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    rows = [
        {
            "group": group.name,
            "state": group.state,
            "members": group.members if as_json else len(group.members),
            "lag": sum(group.lag.values()),
            "offsets": format_positions(group.offsets),
        }
        for group in found
    ]
    print_rows(COLUMNS, rows, as_json, nothing="no consumer group reads the events")


def checked_group(settings: "Settings", name: str) -> str:
    """The name, trimmed. Raises CommandError for a name that a group of one's own can't have."""
    from eventstore.topics import gateways_group
    from foundation.text import Malformed, line
    from schemas.tables import is_projector_group

    try:
        name = line("group", name, MAX_GROUP_CHARACTERS, visible=True)
    except Malformed as error:
        raise CommandError(
            exits.MALFORMED, f"{error}; a group's name is for example overdue-notices"
        ) from error
    if is_projector_group(settings, name):
        raise CommandError(exits.MALFORMED, f"{name} is the projector's group: choose another name")
    if name == gateways_group(settings):
        raise CommandError(exits.MALFORMED, f"{name} is the gateways' group: choose another name")
    return name


def require_group(admin: "AdminClient", settings: "Settings", name: str) -> None:
    """Raises CommandError if Kafka knows no such group; the message has the groups that read the events."""
    from library.store.groups import group_names, readers_of
    from schemas.tables import is_projector_group

    if name in group_names(admin):
        return
    groups = [group.name for group in readers_of(admin, settings)]
    others = ", ".join(group for group in groups if not is_projector_group(settings, group))
    raise CommandError(
        exits.NOT_FOUND,
        f"there is no group {name}; groups that read the events: {others or 'none'}. "
        "`library groups` lists them",
    )
