"""The library's topics: the event store and the changelog of the inventory table."""

from collections.abc import Sequence

from confluent_kafka.admin import AdminClient

from eventstore import topics
from eventstore.topics import Identity, Table
from foundation.settings import Settings

INVENTORY = Table("projector", "inventory")
TABLES = (INVENTORY,)


def projector_group(settings: Settings) -> str:
    """The projector's consumer group."""
    return INVENTORY.group_id(settings)


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
