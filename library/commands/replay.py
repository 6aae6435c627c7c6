"""``library replay``: reset a consumer group's offsets; the projector recomputes its table."""

from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from library.commands.projections import creating_topics, projection_option

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings
    from projector.projection import Projection


@click.command()
@with_settings("data_dir", "kafka", "name")
@projection_option
@click.option("--group", metavar="G", help="A consumer group of your own; by default the projector's.")
@click.option("--to-beginning", is_flag=True, help="From the first event; the default for the projector.")
@click.option(
    "--to-time",
    metavar="TIME",
    help="From the first event at or after TIME, for example 2026-01-31T12:00:00Z, or a day: 2026-01-31.",
)
@click.option("--to-offset", metavar="P:N", help="From offset N of partition P; several: 0:12,3:40.")
def replay(
    settings: "Settings",
    projection: "Projection | None",
    group: str | None,
    to_beginning: bool,
    to_time: str | None,
    to_offset: str | None,
) -> None:
    """Make a consumer group read the events again.

    The projector recomputes every row from its first event, with the current rules. Meanwhile the inventory
    can be read and changed; no reader sees an older state, and new changes become visible when the replay
    reaches them. Returns when the replay has finished; if interrupted, the projector still finishes it.

    The workers of another projection must be stopped; they replay when they are started.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import client_config
    from library.commands.groups import checked_group
    from library.store.groups import GroupActive
    from schemas.topics import projector_group

    admin = AdminClient(client_config(settings))
    if projection is not None:
        if group is not None:
            raise CommandError(exits.MALFORMED, "give --group or --projection: a projection has one group")
        group = projection.table.group_id(settings)
    try:
        if projection is not None or group in (None, projector_group(settings)):
            if to_time or to_offset:
                raise CommandError(
                    exits.MALFORMED,
                    "a projection replays from the beginning only, because all rows must follow the same "
                    "rules; --to-time and --to-offset are for groups of your own: --group G",
                )
            if group in (None, projector_group(settings)):
                _replay_projector(admin, settings)
            else:
                _replay_projection(settings, group)
        else:
            _reset(admin, settings, checked_group(settings, str(group)), to_beginning, to_time, to_offset)
    except GroupActive as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except KafkaException as error:
        raise unreachable(settings, error, creating_topics()) from error


def _replay_projector(admin: "AdminClient", settings: "Settings") -> None:
    from eventstore.topics import events_topic
    from library.store.offsets import beginning
    from library.system.rewind import replay_projector

    if not replay_projector(admin, settings, beginning(settings, events_topic(settings))):
        click.echo("the projector will replay from the beginning when it is started", err=True)


def _replay_projection(settings: "Settings", group: str) -> None:
    from eventstore.topics import events_topic
    from library.store.groups import reset_offsets, wait_until_empty
    from library.store.offsets import beginning

    topic = events_topic(settings)
    wait_until_empty(settings, group, 0)
    reset_offsets(settings, topic, group, beginning(settings, topic))
    click.echo(f"{group} will replay from the beginning when its workers are started", err=True)


def _reset(
    admin: "AdminClient",
    settings: "Settings",
    group: str,
    to_beginning: bool,
    to_time: str | None,
    to_offset: str | None,
) -> None:
    from eventstore.positions import BadPosition, format_positions, parse_positions
    from eventstore.topics import events_topic
    from library.commands.groups import require_group
    from library.commands.moments import parse_moment
    from library.store.groups import reset_offsets, wait_until_empty
    from library.store.offsets import at_time, beginning, end
    from schemas.times import BadTime

    topic = events_topic(settings)
    try:
        match (to_beginning, to_time, to_offset):
            case (True, None, None):
                to = beginning(settings, topic)
            case (False, str(), None):
                to = at_time(settings, topic, parse_moment(to_time, settings.timezone).begin_ms)
            case (False, None, str()):
                to = parse_positions(to_offset)
                _require_within(to, beginning(settings, topic), end(settings, topic))
            case _:
                raise CommandError(
                    exits.MALFORMED, "give one of --to-beginning, --to-time TIME, --to-offset P:N"
                )
    except (BadTime, BadPosition) as error:
        raise CommandError(exits.MALFORMED, str(error)) from error
    require_group(admin, settings, group)
    wait_until_empty(settings, group, 0)
    reset_offsets(settings, topic, group, to)
    click.echo(f"group {group} continues at {format_positions(to)}", err=True)


def _require_within(to: dict[int, int], first: dict[int, int], last: dict[int, int]) -> None:
    """Raises CommandError for an offset that is not in the event store."""
    for partition, offset in to.items():
        if partition not in last:
            raise CommandError(
                exits.MALFORMED, f"there is no partition {partition}; partitions are 0 to {max(last)}"
            )
        if not first[partition] <= offset <= last[partition]:
            raise CommandError(
                exits.MALFORMED,
                f"partition {partition} has offsets {first[partition]} to {last[partition]}, not {offset}",
            )
