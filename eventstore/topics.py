"""The two topics: their names, what they are configured with, and their identity."""

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType
from msgspec import Struct

from foundation.settings import Settings

TABLE = "inventory"
"""Faust's name for the table; it names the changelog after its app and table."""
POSITION_KEY = b"__position__"
"""The changelog key of a partition's TablePosition; no ISBN can be it."""

LEADER_MOVING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
"""Codes that say: ask again, the partition's leader is just being made or changed."""

WEEK_MS = 7 * 24 * 3600 * 1000


def events_topic(settings: Settings) -> str:
    """The event store."""
    return f"{settings.name}.events"


def projector_group(settings: Settings) -> str:
    """The projector's consumer group, and Faust's app id."""
    return f"{settings.name}-projector"


def changelog_topic(settings: Settings) -> str:
    """Every row of the table, as it changes."""
    return f"{projector_group(settings)}-{TABLE}-changelog"


def fence_id(settings: Settings, partition: int) -> str:
    """The transactional id that every writer of a partition of the event store uses: the newest shuts out
    the others.
    """
    return f"{events_topic(settings)}-{partition}"


def topic_configs(settings: Settings) -> dict[str, dict[str, str]]:
    """Both topics with what sets them apart from the broker's defaults."""
    return {
        events_topic(settings): {"cleanup.policy": "compact", "min.compaction.lag.ms": str(WEEK_MS)},
        # It can be rebuilt from the events, so it need not be flushed record by record
        changelog_topic(settings): {"cleanup.policy": "compact", "flush.messages": str(2**63 - 1)},
    }


class WrongTopic(Exception):
    """A topic that is not as the settings say; the message says what to do, ``mend`` is the command alone."""

    def __init__(self, found: str, mend: str, besides: str = "") -> None:
        super().__init__(f"{found}: `{mend}`{besides}")
        self.found, self.mend = found, mend


class MissingTopic(WrongTopic):
    """A topic that is not there."""


class Identity(Struct, frozen=True):
    """What local state is bound to: the same names with other ids are another system."""

    cluster: str
    events: str
    changelog: str

    @property
    def source(self) -> str:
        """Cluster and event store, as TablePosition names it."""
        return f"{self.cluster}/{self.events}"


def ensure_topics(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> None:
    """Create the topics that are missing, compare those that are there, return when all can be used.

    Raises WrongTopic for another partition count or a policy that deletes events, KafkaException for Kafka.
    """
    give_up = time.monotonic() + timeout
    while True:
        try:
            check_topics(admin, settings, timeout)
            _require_leaders(admin, settings, timeout)
            return
        except MissingTopic:
            if time.monotonic() > give_up:
                raise
            # Only now: whoever uses topics that are there needs no right to create any. Brokers hear of a new
            # topic a moment after the controller has made it, and making it again does no harm
            _create_topics(admin, settings, timeout)
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVING | {KafkaError.UNKNOWN_TOPIC_OR_PART}:
                raise
            if time.monotonic() > give_up:
                raise
        time.sleep(0.02)


def _create_topics(admin: AdminClient, settings: Settings, timeout: float) -> None:
    new = [
        NewTopic(name, settings.partitions, settings.replication, config=config)
        for name, config in topic_configs(settings).items()
    ]
    for future in admin.create_topics(new, operation_timeout=timeout, request_timeout=timeout).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _require_leaders(admin: AdminClient, settings: Settings, timeout: float) -> None:
    """Raises KafkaException for a partition that no broker leads yet."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    partitions = range(settings.partitions)
    asked = {TopicPartition(name, p): latest for name in topic_configs(settings) for p in partitions}
    for future in admin.list_offsets(asked, request_timeout=timeout).values():
        future.result()


def check_topics(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> None:
    """Compare the topics with the settings. Raises as ``ensure_topics``, also for a missing topic."""
    described = admin.describe_topics(TopicCollection(list(topic_configs(settings))), request_timeout=timeout)
    for name, future in described.items():
        try:
            found = len(future.result().partitions)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise MissingTopic(f"topic {name} is missing", "library topics create") from error
            raise
        if found != settings.partitions:
            raise WrongTopic(
                f"topic {name} has {found} partitions, the settings say {settings.partitions}",
                f"export LIBRARY_PARTITIONS={found}",
                "; to change the number, `library backup` and `library restore` into a new store",
            )
    store = events_topic(settings)
    resource = ConfigResource(ResourceType.TOPIC, store)
    entries: Any = admin.describe_configs([resource], request_timeout=timeout)[resource].result()
    policy = entries["cleanup.policy"].value
    if policy != "compact":
        raise WrongTopic(
            f"topic {store} has cleanup.policy={policy}, which loses events",
            f"kafka-configs.sh --bootstrap-server {settings.kafka} --alter --entity-type topics "
            f"--entity-name {store} --add-config cleanup.policy=compact",
        )


def identify(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> Identity:
    """Cluster and topic ids, as they are now. Raises KafkaException."""
    events, changelog = events_topic(settings), changelog_topic(settings)
    described = admin.describe_topics(TopicCollection([events, changelog]), request_timeout=timeout)
    cluster = admin.describe_cluster(request_timeout=timeout).result().cluster_id
    return Identity(
        str(cluster),
        str(described[events].result().topic_id),
        str(described[changelog].result().topic_id),
    )
