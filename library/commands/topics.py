"""``library topics``: the event store, the table's changelog and the names of borrowers on Kafka."""

from typing import TYPE_CHECKING, Any

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.unreachable import unreachable
from library.commands.projections import projection_option

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from foundation.settings import Settings
    from projector.projection import Projection


names_option = click.option(
    "--names/--no-names",
    default=None,
    help="Of a new store: keep the names of borrowers apart from its events (default), or their ids in them.",
)


@click.group()
def topics() -> None:
    """Create and show the topics."""


@topics.command()
@projection_option
@names_option
@with_settings("kafka", "name", "partitions", "replication", "data_dir")
def create(settings: "Settings", projection: "Projection | None", names: bool | None) -> None:
    """Create missing topics, and compare existing ones with the settings.

    With --projection these are the event store and the changelog of that projection.
    In a new store the events hold tokens for borrowers, and another topic the names: a borrower can be
    forgotten. With --no-names the events hold user ids. A store that exists stays as it is; what it can't
    become is refused.
    An event store that compaction can delete events from, as releases up to 0.1.0 made it, is altered.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import WrongTopic, protect_events
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from library.checks.finding import Grade
    from library.checks.topic_settings import topic_settings
    from library.store.names import ensure_store
    from schemas.checkpoints import checkpoints_topic, ensure_checkpoints_topic
    from schemas.tables import read_tables, tables_of
    from schemas.topics import has_names, names_topic, topic_configs

    admin = AdminClient(client_config(settings))
    try:
        tables = tables_of(read_tables(admin, settings)) if projection is None else [projection.table]
        ensure_store(admin, settings, tables, names=names)
        apart = has_names(admin, settings)
        if projection is None:
            ensure_checkpoints_topic(admin, settings)
        if changed := protect_events(admin, settings):
            click.echo(changed, err=True)
        for finding in topic_settings(admin, settings, tables):
            if finding.grade is not Grade.FINE:
                click.echo(f"{finding.found}: `{finding.fix}`", err=True)
    except WrongTopic as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    for name in topic_configs(settings, tables):
        click.echo(f"{name} exists, with {settings.partitions} partitions", err=True)
    if apart:
        click.echo(f"{names_topic(settings)} exists", err=True)
    if projection is None:
        click.echo(f"{checkpoints_topic(settings)} exists, for the notary", err=True)


@topics.command()
@with_settings("kafka", "name", "data_dir")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def describe(settings: "Settings", as_json: bool) -> None:
    """Show the topics: partitions, replicas, records, and their own configuration."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from eventstore.topics import WrongTopic
    from foundation.cli.tables import Column, print_rows
    from foundation.kafka_clients import KafkaUnavailable, client_config
    from schemas.tables import read_tables, tables_of
    from schemas.topics import has_names, names_topic, topic_configs

    admin = AdminClient(client_config(settings))
    try:
        tables = tables_of(read_tables(admin, settings))
        names = [names_topic(settings)] if has_names(admin, settings) else []
        rows = [_described(admin, settings, name) for name in [*topic_configs(settings, tables), *names]]
    except WrongTopic as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (KafkaException, KafkaUnavailable) as error:
        raise unreachable(settings, error) from error
    if not as_json:
        rows = [row | {"config": " ".join(f"{k}={v}" for k, v in row["config"].items())} for row in rows]
    print_rows([Column("topic"), "partitions", "replication", "records", "config"], rows, as_json)


@topics.command()
@with_settings("kafka", "name", "data_dir")
@click.option(
    "--writer", metavar="USER", help="User of gateway, commands and importers; by default NAME-writer."
)
@click.option("--projector", metavar="USER", help="User of the projector; by default NAME-projector.")
@projection_option
@click.option("--query-api", metavar="USER", help="User of the query API; by default NAME-api.")
@click.option("--notary", metavar="USER", help="User of the notary; by default NAME-notary.")
@click.option(
    "--operator",
    metavar="USER",
    help="User of topics create, replay, verify and backup; by default NAME-operator.",
)
@click.option(
    "--reader", "readers", metavar="GROUP=USER", multiple=True, help="Another consumer group and its user."
)
def acl(
    settings: "Settings",
    writer: str | None,
    projector: str | None,
    projection: "Projection | None",
    query_api: str | None,
    notary: str | None,
    operator: str | None,
    readers: tuple[str, ...],
) -> None:
    """Print the ACLs for a shared Kafka, as kafka-acls.sh commands.

    Only the writer may write to the event store. Nothing is changed: Kafka's administrator runs the commands.

    With --projection the ACLs that this projection needs in addition. --projector is then the user of its
    workers, by default NAME- and the projection's group, and --query-api the user that reads its rows.
    """
    from library.store.acls import Users, commands, needed, needed_for

    pairs = [reader.partition("=") for reader in readers]
    for group, _, user in pairs:
        if not (group and user):
            raise CommandError(
                exits.MALFORMED, "--reader takes GROUP=USER, for example --reader overdue=reporting"
            )
    name, part = settings.name, "projector" if projection is None else projection.table.group
    users = Users(
        writer=writer or f"{name}-writer",
        projector=projector or f"{name}-{part}",
        api=query_api or f"{name}-api",
        notary=notary or f"{name}-notary",
        operator=operator or f"{name}-operator",
        readers={group: user for group, _, user in pairs},
    )
    access = needed(settings, users) if projection is None else needed_for(settings, users, projection.table)
    for line in commands(settings.kafka, access):
        click.echo(line)


def _described(admin: "AdminClient", settings: "Settings", name: str) -> dict[str, Any]:
    """The topic as one row; ``records`` counts offsets, transaction markers too. Raises KafkaException."""
    from confluent_kafka import TopicCollection
    from confluent_kafka.admin import ConfigResource, ConfigSource, ResourceType

    from library.store.offsets import beginning, high_watermarks

    described = admin.describe_topics(TopicCollection([name]), request_timeout=10)[name].result()
    resource = ConfigResource(ResourceType.TOPIC, name)
    entries: Any = admin.describe_configs([resource], request_timeout=10)[resource].result()
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {
        "topic": name,
        "id": str(described.topic_id),
        "partitions": len(described.partitions),
        "replication": min(len(partition.replicas) for partition in described.partitions),
        "records": sum(high_watermarks(settings, name).values()) - sum(beginning(settings, name).values()),
        "config": {key: entry.value for key, entry in sorted(entries.items()) if entry.source == own},
    }
