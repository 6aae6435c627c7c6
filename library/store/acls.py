"""ACLs for a shared Kafka: only the writer may write to the event store."""

from collections.abc import Iterable, Sequence
from shlex import join

from msgspec import Struct

from eventstore.topics import Table, events_topic, fence_id, gateways_group
from foundation.kafka_clients import UNUSED
from foundation.settings import Settings
from schemas.checkpoints import checkpoints_topic, notary_group
from schemas.tables import inventory_table, tables_topic
from schemas.topics import INVENTORY, audit_group, changelog_topic, names_topic, projector_group

TOPIC = "topic"
GROUP = "group"
TRANSACTIONS = "transactional-id"

_DESCRIBE = ("Describe", "DescribeConfigs")


class Access(Struct, frozen=True):
    """A user's operations on one resource; ``prefixed``: on every name that starts with ``name``."""

    user: str
    resource: str
    """``topic``, ``group`` or ``transactional-id``."""
    name: str
    operations: Sequence[str]
    prefixed: bool = False


class Users(Struct, frozen=True, kw_only=True):
    """The Kafka user of each part of the system; ``readers`` maps other consumer groups to their users."""

    writer: str
    projector: str
    api: str
    notary: str
    operator: str
    readers: dict[str, str] = {}


def needed(settings: Settings, users: Users) -> list[Access]:
    """The least privileges with which every part works."""
    events, table, group = events_topic(settings), changelog_topic(settings), projector_group(settings)
    access = [
        # Gateway, `library add` and the other changing commands, importers
        Access(users.writer, TOPIC, events, ("Read", "Write", *_DESCRIBE)),
        Access(users.writer, TOPIC, table, _DESCRIBE),
        Access(users.writer, TRANSACTIONS, _fence_prefix(settings), ("Write", "Describe"), prefixed=True),
        Access(users.writer, GROUP, _unused(settings), ("Read",)),
        # Gateways share the partitions
        Access(users.writer, GROUP, gateways_group(settings), ("Read", "Describe")),
        *_workers(settings, users.projector, INVENTORY),
        Access(users.api, TOPIC, events, ("Read", *_DESCRIBE)),
        Access(users.api, TOPIC, table, ("Read", *_DESCRIBE)),
        Access(users.api, GROUP, group, ("Describe",)),
        # For `GET /operations`: the partitions of each member
        Access(users.api, GROUP, gateways_group(settings), ("Describe",)),
        Access(users.api, GROUP, _unused(settings), ("Read",)),
        # The audit runs as the query API's user
        Access(users.api, GROUP, audit_group(settings), ("Read", "Describe")),
        *_notary(settings, users),
        # `library topics create`, `replay`, `verify`, `backup`
        Access(users.operator, TOPIC, events, ("Create", "Read", *_DESCRIBE)),
        Access(users.operator, TOPIC, table, ("Create", "Read", "Delete", *_DESCRIBE)),
        Access(users.operator, GROUP, f"{settings.name}-", ("Read", "Describe", "Delete"), prefixed=True),
        *_second_tables(settings, users),
        *_names(settings, users),
    ]
    for name, user in users.readers.items():
        access += [
            Access(user, TOPIC, events, ("Read", *_DESCRIBE)),
            Access(user, GROUP, name, ("Read", "Describe")),
            # For the metric of this group's lag
            Access(users.api, GROUP, name, ("Describe",)),
        ]
    return access


def needed_for(settings: Settings, users: Users, table: Table) -> list[Access]:
    """The additional ACLs of another projection: for its workers, a reader of its rows, and the operator."""
    changelog = table.changelog(settings)
    return [
        *_workers(settings, users.projector, table),
        Access(users.api, TOPIC, changelog, ("Read", *_DESCRIBE)),
        Access(users.api, GROUP, _unused(settings), ("Read",)),
        Access(users.operator, TOPIC, changelog, ("Create", "Read", *_DESCRIBE)),
    ]


def _notary(settings: Settings, users: Users) -> list[Access]:
    checkpoints, events = checkpoints_topic(settings), events_topic(settings)
    return [
        Access(users.notary, TOPIC, events, ("Read", *_DESCRIBE)),
        Access(users.notary, TOPIC, checkpoints, ("Read", "Write", *_DESCRIBE)),
        Access(users.notary, GROUP, notary_group(settings), ("Read", "Describe")),
        # For the metric of its lag, and to answer with checkpoints
        Access(users.api, GROUP, notary_group(settings), ("Describe",)),
        Access(users.api, TOPIC, checkpoints, ("Read", *_DESCRIBE)),
        Access(users.operator, TOPIC, checkpoints, ("Create", "Read", *_DESCRIBE)),
    ]


def _second_tables(settings: Settings, users: Users) -> list[Access]:
    """For `library rebuild`: the record that says which table counts, and all tables besides the first."""
    record = tables_topic(settings)
    # What every name of a later table begins with
    later = inventory_table(2).group_id(settings).removesuffix("2")
    return [
        Access(users.projector, TOPIC, record, ("Read", *_DESCRIBE)),
        Access(users.projector, TOPIC, later, ("Read", "Write", *_DESCRIBE), prefixed=True),
        Access(users.projector, TRANSACTIONS, later, ("Write", "Describe"), prefixed=True),
        Access(users.projector, GROUP, later, ("Read", "Describe"), prefixed=True),
        Access(users.api, TOPIC, record, ("Read", *_DESCRIBE)),
        Access(users.api, TOPIC, later, ("Read", *_DESCRIBE), prefixed=True),
        Access(users.api, GROUP, later, ("Describe",), prefixed=True),
        Access(users.operator, TOPIC, record, ("Create", "Read", "Write", *_DESCRIBE)),
        Access(users.operator, TRANSACTIONS, f"{record}-", ("Write", "Describe"), prefixed=True),
        Access(users.operator, TOPIC, later, ("Create", "Read", "Delete", *_DESCRIBE), prefixed=True),
    ]


def _names(settings: Settings, users: Users) -> list[Access]:
    """For stores that keep the names of borrowers apart. Nobody else may read the names."""
    names = names_topic(settings)
    return [
        Access(users.writer, TOPIC, names, ("Read", "Write", *_DESCRIBE)),
        Access(users.writer, TRANSACTIONS, f"{names}-", ("Write", "Describe"), prefixed=True),
        Access(users.api, TOPIC, names, ("Read", *_DESCRIBE)),
        # `library topics create --names`, `backup --names`, `restore --names`, `restore --pseudonymise`
        Access(users.operator, TOPIC, names, ("Create", "Read", "Write", *_DESCRIBE)),
        Access(users.operator, TRANSACTIONS, f"{names}-", ("Write", "Describe"), prefixed=True),
    ]


def _workers(settings: Settings, user: str, table: Table) -> list[Access]:
    changelog = table.changelog(settings)
    return [
        Access(user, TOPIC, events_topic(settings), ("Read", *_DESCRIBE)),
        Access(user, TOPIC, changelog, ("Read", "Write", *_DESCRIBE)),
        Access(user, TRANSACTIONS, f"{changelog}-", ("Write", "Describe"), prefixed=True),
        Access(user, GROUP, table.group_id(settings), ("Read", "Describe")),
        Access(user, GROUP, _unused(settings), ("Read",)),
    ]


def _unused(settings: Settings) -> str:
    """The group that readers without a group name."""
    return f"{settings.name}-{UNUSED}"


def _fence_prefix(settings: Settings) -> str:
    """The beginning that the fences of all partitions share."""
    return fence_id(settings, 0).removesuffix("0")


def commands(bootstrap: str, access: Iterable[Access]) -> list[str]:
    """One ``kafka-acls.sh`` command for each access."""
    return [_command(bootstrap, each) for each in access]


def _command(bootstrap: str, access: Access) -> str:
    words = ["kafka-acls.sh", "--bootstrap-server", bootstrap, "--add"]
    words += ["--allow-principal", f"User:{access.user}"]
    for operation in access.operations:
        words += ["--operation", operation]
    words += [f"--{access.resource}", access.name]
    if access.prefixed:
        words += ["--resource-pattern-type", "prefixed"]
    return join(words)
