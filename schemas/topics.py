"""The library's topics: the event store, the changelog of the inventory table, and the names of borrowers."""

import time
from collections.abc import Sequence
from contextlib import closing

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from eventstore import topics
from eventstore.log_offsets import LogOffsets
from eventstore.topics import LEADER_MOVING, MISSING, RETRY_INTERVAL_S, Identity, Table
from foundation.settings import Settings

INVENTORY = Table("projector", "inventory")
TABLES = (INVENTORY,)
NAMES_CONFIG = {
    "cleanup.policy": "compact",
    # An erased name is on the disks for this long, and a pass of Kafka's cleaner
    "segment.ms": "3600000",
    "max.compaction.lag.ms": "3600000",
    "min.compaction.lag.ms": "0",
    "min.cleanable.dirty.ratio": "0.0",
    "file.delete.delay.ms": "1000",
    # A year: a reader that was away must still see the tombstone, which names nobody
    "delete.retention.ms": "31536000000",
    # A scan of the files must be able to find a name
    "compression.type": "uncompressed",
}
"""The topic of names: what was erased must leave the disks soon."""


def projector_group(settings: Settings) -> str:
    """The projector's consumer group."""
    return INVENTORY.group_id(settings)


def audit_group(settings: Settings) -> str:
    """The consumer group of the audits, which share the partitions of the event store."""
    return f"{settings.name}-audit"


def changelog_topic(settings: Settings) -> str:
    """Every row of the inventory table, as it changes."""
    return INVENTORY.changelog(settings)


def topic_configs(settings: Settings, tables: Sequence[Table] = TABLES) -> dict[str, dict[str, str]]:
    """As ``eventstore.topics.topic_configs``."""
    return topics.topic_configs(settings, tables)


def ensure_topics(
    admin: AdminClient, settings: Settings, timeout: float = 15.0, tables: Sequence[Table] = TABLES
) -> None:
    """As ``eventstore.topics.ensure_topics``."""
    topics.ensure_topics(admin, settings, tables, timeout)


def check_topics(
    admin: AdminClient, settings: Settings, timeout: float = 15.0, tables: Sequence[Table] = TABLES
) -> None:
    """As ``eventstore.topics.check_topics``."""
    topics.check_topics(admin, settings, tables, timeout)


def identify(
    admin: AdminClient, settings: Settings, timeout: float = 15.0, table: Table = INVENTORY
) -> Identity:
    """As ``eventstore.topics.identify``."""
    return topics.identify(admin, settings, table, timeout)


def names_topic(settings: Settings) -> str:
    """The names of borrowers, in one partition. A store without this topic holds user ids in its events."""
    return f"{settings.name}.names"


def has_names(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> bool:
    """Whether the store holds tokens of borrowers, and their names apart. Raises KafkaException."""
    return topics.exists(admin, names_topic(settings), timeout)


def ensure_names_topic(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> None:
    """Create the topic of names if it is missing, and return when it can be used. Raises KafkaException.

    Only for a store without an event: see ``library.store.names``.
    """
    give_up, topic = time.monotonic() + timeout, names_topic(settings)
    while True:
        try:
            if has_names(admin, settings, timeout):
                with closing(LogOffsets(settings)) as offsets:
                    offsets.end(topic, 0, timeout)
                return
            new = NewTopic(topic, 1, settings.replication, config=NAMES_CONFIG)
            admin.create_topics([new], operation_timeout=timeout, request_timeout=timeout)[topic].result()
        except KafkaException as error:
            passing = LEADER_MOVING | MISSING | {KafkaError.TOPIC_ALREADY_EXISTS}
            if error.args[0].code() not in passing or time.monotonic() > give_up:
                raise
        time.sleep(RETRY_INTERVAL_S)
