"""Who may do what on a Kafka that others use too: only the writer writes the event store."""

from collections.abc import Iterable, Sequence
from shlex import join

from msgspec import Struct

from eventstore.topics import changelog_topic, events_topic, fence_id, projector_group
from foundation.kafka_clients import UNUSED
from foundation.settings import Settings

TOPIC = "topic"
GROUP = "group"
TRANSACTIONS = "transactional-id"

_LOOK = ("Describe", "DescribeConfigs")


class Access(Struct, frozen=True):
    """What a user may do with one resource; ``prefixed``: with all whose name begins so."""

    user: str
    resource: str
    """``topic``, ``group`` or ``transactional-id``."""
    name: str
    operations: Sequence[str]
    prefixed: bool = False


class Users(Struct, frozen=True, kw_only=True):
    """Who the parts of the system are on Kafka; ``readers`` are other consumer groups and their users."""

    writer: str
    projector: str
    api: str
    operator: str
    readers: dict[str, str] = {}


def needed(settings: Settings, users: Users) -> list[Access]:
    """All that the parts need, and nothing else."""
    events, table, group = events_topic(settings), changelog_topic(settings), projector_group(settings)
    unused = f"{settings.name}-{UNUSED}"
    access = [
        # Gateway, `library add` and its like, importers
        Access(users.writer, TOPIC, events, ("Read", "Write", *_LOOK)),
        Access(users.writer, TOPIC, table, _LOOK),
        Access(users.writer, TRANSACTIONS, _fence_prefix(settings), ("Write", "Describe"), prefixed=True),
        Access(users.writer, GROUP, unused, ("Read",)),
        Access(users.projector, TOPIC, events, ("Read", *_LOOK)),
        Access(users.projector, TOPIC, table, ("Read", "Write", *_LOOK)),
        Access(users.projector, TRANSACTIONS, f"{table}-", ("Write", "Describe"), prefixed=True),
        Access(users.projector, GROUP, group, ("Read", "Describe")),
        Access(users.api, TOPIC, events, ("Read", *_LOOK)),
        Access(users.api, TOPIC, table, ("Read", *_LOOK)),
        Access(users.api, GROUP, group, ("Describe",)),
        Access(users.api, GROUP, unused, ("Read",)),
        # `library topics create`, `replay`, `verify`, `backup`
        Access(users.operator, TOPIC, events, ("Create", "Read", *_LOOK)),
        Access(users.operator, TOPIC, table, ("Create", "Read", *_LOOK)),
        Access(users.operator, GROUP, f"{settings.name}-", ("Read", "Describe"), prefixed=True),
    ]
    for name, user in users.readers.items():
        access += [
            Access(user, TOPIC, events, ("Read", *_LOOK)),
            Access(user, GROUP, name, ("Read", "Describe")),
            # For its lag among the metrics
            Access(users.api, GROUP, name, ("Describe",)),
        ]
    return access


def _fence_prefix(settings: Settings) -> str:
    """The beginning that the fences of all partitions share."""
    return fence_id(settings, 0).removesuffix("0")


def commands(bootstrap: str, access: Iterable[Access]) -> list[str]:
    """A ``kafka-acls.sh`` command for each."""
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
