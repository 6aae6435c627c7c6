"""The event store's topic and the changelogs of its projections: names, configuration, identity."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from msgspec import Struct

from eventstore.log_offsets import LogOffsets
from eventstore.placement import is_confirmed, partitions_at_creation
from foundation.kafka_clients import KafkaUnavailable, client_config
from foundation.settings import Settings

T = TypeVar("T")

LEADER_MOVING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
"""Codes that mean: ask again, the partition's leader is being elected."""
MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})
"""Codes of a topic that a broker does not know."""

COMPACTION_LAG_MS = 100 * 365 * 24 * 3600 * 1000
"""No event is compacted for 100 years. Compaction keeps the newest record of a key: a program that writes the
key of an event again would delete the event. The policy is still ``compact``: it rules out DeleteRecords.
"""
KEEPING_POLICIES = ("compact", "")
"""Values of ``cleanup.policy`` under which no event is deleted. Without any, a topic is an archive: Kafka
never cleans it, and may keep its older segments in remote storage, which it refuses for compacted topics.
But then it does not refuse DeleteRecords."""
RETRY_INTERVAL_S = 0.02
REQUEST_TIMEOUT_S = 5.0
COMPACTION_LAG = "min.compaction.lag.ms"


class Table(NamedTuple):
    """The table of a projection. ``group`` names its consumer group, ``name`` its changelog."""

    group: str
    name: str

    def group_id(self, settings: Settings) -> str:
        """The projection's consumer group, which is Faust's app id."""
        return f"{settings.name}-{self.group}"

    def changelog(self, settings: Settings) -> str:
        """The topic with every row of the table, as it changes. Faust names it."""
        return f"{self.group_id(settings)}-{self.name}-changelog"


def events_topic(settings: Settings) -> str:
    """The event store."""
    return f"{settings.name}.events"


def fence_id(settings: Settings, partition: int) -> str:
    """The transactional id that every writer of a partition uses: the newest fences the others."""
    return f"{events_topic(settings)}-{partition}"


def gateways_group(settings: Settings) -> str:
    """The consumer group whose members share the partitions of the event store. It reads nothing."""
    return f"{settings.name}-gateways"


def exists(admin: AdminClient, topic: str, timeout: float = 15.0) -> bool:
    """Whether a broker knows the topic; one that was frozen may not know a new one. Raises KafkaException."""
    # A request for the description of a missing topic would wait for it
    error = admin.list_topics(topic, timeout=timeout).topics[topic].error
    if error is not None and error.code() not in MISSING:
        raise KafkaException(error)
    return error is None


def events_exist(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> bool:
    """Whether there is an event store. Raises KafkaException, also where it is missing and can't be created.

    Before it says no, it asks Kafka's controller: that knows every topic.
    """
    store = events_topic(settings)
    if exists(admin, store, timeout):
        return True
    new = NewTopic(
        store, settings.partitions, settings.replication, config=topic_configs(settings, [])[store]
    )
    rehearsed = admin.create_topics([new], request_timeout=timeout, validate_only=True)[store]
    try:
        rehearsed.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return True
    return False


def topic_configs(settings: Settings, tables: Sequence[Table]) -> dict[str, dict[str, str]]:
    """The settings of the event store and the tables' changelogs that differ from the broker's defaults."""
    # A changelog can be rebuilt from the events, so it need not be flushed record by record
    changelog = {"cleanup.policy": "compact", "flush.messages": str(2**63 - 1)}
    return {
        events_topic(settings): {"cleanup.policy": "compact", COMPACTION_LAG: str(COMPACTION_LAG_MS)},
        **{table.changelog(settings): changelog for table in tables},
    }


class WrongTopic(Exception):
    """A topic differs from the settings. The message says what to do; ``fix`` is the command alone."""

    def __init__(self, found: str, fix: str, besides: str = "") -> None:
        super().__init__(f"{found}: `{fix}`{besides}")
        self.found, self.fix = found, fix


class MissingTopic(WrongTopic):
    """A topic does not exist."""


class AddedPartitions(WrongTopic):
    """The events were written with another number of partitions than the topic has."""


class Unprotected(WrongTopic):
    """Compaction can delete events of the event store."""


class Identity(Struct, frozen=True):
    """The identity of cluster and topics. Local state is bound to it: other ids are another system."""

    cluster: str
    events: str
    changelog: str

    @property
    def source(self) -> str:
        """Cluster and event store, as TablePosition names them."""
        return f"{self.cluster}/{self.events}"


def ensure_topics(
    admin: AdminClient, settings: Settings, tables: Sequence[Table], timeout: float = 15.0
) -> None:
    """Create the missing topics, check the existing ones, and return when all can be used.

    Raises WrongTopic for another partition count or a policy that deletes events, and KafkaException.
    """
    give_up = time.monotonic() + timeout
    while True:
        try:
            check_topics(admin, settings, tables, timeout)
            _require_leaders(settings, tables, timeout)
            return
        except MissingTopic:
            if time.monotonic() > give_up:
                raise
            # Only now: a user of existing topics needs no right to create any. Brokers learn of a new topic
            # a moment after the controller has created it, and creating it again does no harm
            _create_topics(admin, settings, tables, timeout)
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVING | {KafkaError.UNKNOWN_TOPIC_OR_PART}:
                raise
            if time.monotonic() > give_up:
                raise
        time.sleep(RETRY_INTERVAL_S)


def _create_topics(admin: AdminClient, settings: Settings, tables: Sequence[Table], timeout: float) -> None:
    new = [
        NewTopic(name, settings.partitions, settings.replication, config=config)
        for name, config in topic_configs(settings, tables).items()
    ]
    for future in admin.create_topics(new, operation_timeout=timeout, request_timeout=timeout).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _require_leaders(settings: Settings, tables: Sequence[Table], timeout: float) -> None:
    """Raises KafkaException for a partition that has no leader yet."""
    names, partitions = topic_configs(settings, tables), range(settings.partitions)
    with closing(LogOffsets(settings)) as offsets:
        offsets.ends([(name, partition) for name in names for partition in partitions], timeout)


def check_topics(
    admin: AdminClient, settings: Settings, tables: Sequence[Table], timeout: float = 15.0
) -> None:
    """Compare the topics with the settings. Raises as ``ensure_topics``, MissingTopic and AddedPartitions."""
    names = list(topic_configs(settings, tables))
    described = admin.describe_topics(TopicCollection(names), request_timeout=timeout)
    for name, future in described.items():
        try:
            found = len(future.result().partitions)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise MissingTopic(f"topic {name} is missing", "library topics create") from error
            raise
        if found != settings.partitions:
            raise _wrong_partitions(settings, name, found)
    check_placement(settings)
    store, policy = events_topic(settings), _config(admin, settings, "cleanup.policy", timeout)
    if policy not in KEEPING_POLICIES:
        raise WrongTopic(
            f"topic {store} has cleanup.policy={policy}, which loses events",
            f"library kafka configs --alter --entity-type topics --entity-name {store} "
            "--add-config cleanup.policy=compact",
        )


def topics_in_time(settings: Settings, tables: Sequence[Table]) -> AdminClient:
    """A client of a Kafka whose topics match the settings; waits for Kafka until the deadline.

    Raises as ``check_topics``.
    """
    admin = AdminClient(client_config(settings))
    in_time(settings, lambda timeout: check_topics(admin, settings, tables, timeout))
    return admin


def in_time(settings: Settings, ask: Callable[[float], T]) -> T:
    """The answer of ``ask``, which gets a time-out in seconds; waits for Kafka until the deadline.

    Raises as ``ask``.
    """
    limit = time.monotonic() + settings.deadline
    while True:
        try:
            return ask(min(REQUEST_TIMEOUT_S, settings.deadline))
        except (KafkaException, KafkaUnavailable):
            if time.monotonic() > limit:
                raise
        time.sleep(RETRY_INTERVAL_S)


def _wrong_partitions(settings: Settings, topic: str, found: int) -> WrongTopic:
    """Advises another setting only if the store's events are where a writer with that setting looks."""
    differ = f"topic {topic} has {found} partitions, the settings say {settings.partitions}"
    if topic != events_topic(settings):
        # The event store comes first, and agrees with the settings
        return WrongTopic(
            f"{differ}, and so does the event store",
            f"library kafka topics --delete --topic {topic}",
            ", then `library topics create`: its rows are computed anew from the events",
        )
    if partitions_at_creation(settings, events_topic(settings), found) == found:
        return WrongTopic(
            differ,
            f"export LIBRARY_PARTITIONS={found}",
            "; to change the number, `library backup` and `library restore` into a new store",
        )
    return _added_partitions(f"{differ}, and its events were written with another number")


def _added_partitions(found: str) -> "AddedPartitions":
    return AddedPartitions(
        f"{found}: somebody has added partitions",
        "library backup FILE",
        ", then `library restore FILE` into a new store; change no setting, or titles get a second stream",
    )


def check_placement(settings: Settings) -> None:
    """Raises AddedPartitions if the events are not where writers with these settings look for them.

    Only the first call of a process asks Kafka; a Kafka that does not answer is asked again by the next one.
    """
    topic = events_topic(settings)
    if not is_confirmed(settings, topic):
        raise _added_partitions(
            f"topic {topic} has {settings.partitions} partitions, as the settings say, but its events were "
            "written with fewer"
        )


def check_protection(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> None:
    """Raises Unprotected if compaction can delete an event within 100 years, and KafkaException."""
    lag_ms = int(_config(admin, settings, COMPACTION_LAG, timeout))
    if lag_ms < COMPACTION_LAG_MS:
        raise Unprotected(
            f"topic {events_topic(settings)} has {COMPACTION_LAG}={lag_ms}: a program that writes the key of "
            "an older event again deletes that event",
            "library topics create",
        )


def protect_events(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> str:
    """Raise the event store's compaction lag to 100 years. Returns a sentence about the change, or "".

    Raises Unprotected if this user may not alter the topic, and KafkaException.
    """
    try:
        check_protection(admin, settings, timeout)
    except Unprotected as unprotected:
        store, value = events_topic(settings), str(COMPACTION_LAG_MS)
        entry = ConfigEntry(COMPACTION_LAG, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, store, incremental_configs=[entry])
        try:
            admin.incremental_alter_configs([resource], request_timeout=timeout)[resource].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise
            raise Unprotected(
                unprotected.found,
                f"library kafka configs --alter --entity-type topics --entity-name {store} "
                f"--add-config {COMPACTION_LAG}={value}",
                ", by a user that may alter the topic",
            ) from error
        return f"{unprotected.found}. It is {value} (100 years) now"
    return ""


def _config(admin: AdminClient, settings: Settings, name: str, timeout: float) -> str:
    """A value of the event store's configuration. Raises KafkaException."""
    resource = ConfigResource(ResourceType.TOPIC, events_topic(settings))
    entries: Any = admin.describe_configs([resource], request_timeout=timeout)[resource].result()
    return str(entries[name].value or "")


def identify(admin: AdminClient, settings: Settings, table: Table, timeout: float = 15.0) -> Identity:
    """The ids of the cluster and of both topics, as they are now. Raises KafkaException."""
    events, changelog = events_topic(settings), table.changelog(settings)
    described = admin.describe_topics(TopicCollection([events, changelog]), request_timeout=timeout)
    ids = [str(described[topic].result().topic_id) for topic in (events, changelog)]
    return Identity(cluster_id(admin, events, timeout), *ids)


def cluster_id(admin: AdminClient, topic: str, timeout: float) -> str:
    """The id of the cluster with this topic. Raises KafkaException."""
    # ``describe_cluster`` of librdkafka 2.16 aborts the process if Kafka names no broker, as after a freeze
    return str(admin.list_topics(topic, timeout=timeout).cluster_id)
