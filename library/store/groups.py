"""Consumer groups of the event store: their members, offsets and lag, and resetting their offsets."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription
from msgspec import Struct

from eventstore.groups import (
    COORDINATOR_MOVING,
    GroupDescriber,
    committed_offsets_by_group,
    lag,
    member_names,
)
from eventstore.topics import events_topic, gateways_group
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.offsets import TIMEOUT_S, Offsets, beginning, end

POLL_INTERVAL_S = 0.1


class GroupActive(Exception):
    """The group has members, which would keep reading at their own offsets; the message names them."""


def members(settings: Settings, group: str) -> list[str]:
    """The group's members now, each as ``client at host``; none for an unknown group.

    Raises KafkaException.
    """
    return _members(GroupDescriber(settings), group)


def _members(describer: GroupDescriber, group: str) -> list[str]:
    give_up_at = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return member_names(describer.description(group, TIMEOUT_S))
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            if error.args[0].code() not in COORDINATOR_MOVING or time.monotonic() > give_up_at:
                raise
        time.sleep(POLL_INTERVAL_S)


class Group(Struct, frozen=True):
    """A consumer group of a topic. Its offsets and lag are those of the topic, by partition."""

    name: str
    state: str
    members: list[str]
    offsets: Offsets
    lag: dict[int, int]


def group_names(admin: AdminClient) -> list[str]:
    """The names of all groups on this Kafka that we may see. Raises KafkaException."""
    listed = admin.list_consumer_groups(request_timeout=TIMEOUT_S).result()
    if listed.errors:
        # Of a broker that does not answer: the groups that it coordinates would be missing
        raise KafkaException(listed.errors[0])
    return sorted(group.group_id for group in listed.valid)


def readers_of(admin: AdminClient, settings: Settings) -> list[Group]:
    """The groups that have committed offsets of the event store, or have it assigned. Raises KafkaException.

    The gateways' group is none of them: its members have partitions, but read nothing.
    """
    topic = events_topic(settings)
    names = [name for name in group_names(admin) if name != gateways_group(settings)]
    if not names:
        return []
    offsets = committed_offsets_by_group(settings, topic, names, TIMEOUT_S)
    descriptions = GroupDescriber(settings).describe(names, TIMEOUT_S)
    first, last = beginning(settings, topic), end(settings, topic)
    groups = []
    for name in names:
        description = descriptions[name]
        if isinstance(description, KafkaException):
            raise description
        if offsets.get(name) or _reads(description, topic):
            here = offsets.get(name, {})
            state = description.state.name.lower().replace("_", " ")
            groups.append(Group(name, state, member_names(description), here, lag(here, first, last)))
    return groups


def _reads(group: ConsumerGroupDescription, topic: str) -> bool:
    return any(part.topic == topic for member in group.members for part in member.assignment.topic_partitions)


def wait_until_empty(settings: Settings, group: str, limit_s: float) -> None:
    """Wait up to ``limit_s`` seconds until the group has no member.

    A stopped process may stay a member until its session expires. Raises GroupActive, KafkaException.
    """
    describer, end_at = GroupDescriber(settings), time.monotonic() + limit_s
    while present := _members(describer, group):
        if time.monotonic() > end_at:
            raise GroupActive(
                f"group {group} has active members: {', '.join(present)}. Stop them, run this again, "
                "then start them"
            )
        time.sleep(POLL_INTERVAL_S)


def reset_offsets(settings: Settings, topic: str, group: str, to: Offsets) -> None:
    """Set the group's committed offsets, as a consumer of it that has not joined.

    Kafka accepts that from nobody while the group has members. An admin client could ask for the same. But
    its process ended (SIGABRT) once such a request had timed out while Kafka was killed and started again.
    Raises GroupActive, KafkaException.
    """
    limit_ms = round(1000 * TIMEOUT_S)
    # librdkafka waits for an unknown coordinator as long as for a session, although nobody joins here
    limits = {"session.timeout.ms": limit_ms, "socket.timeout.ms": limit_ms}
    consumer = Consumer(client_config(settings) | limits | {"group.id": group, "enable.auto.commit": False})
    give_up = time.monotonic() + TIMEOUT_S
    try:
        while True:
            try:
                _commit(consumer, topic, to)
                return
            except KafkaException as error:
                if error.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP):
                    raise GroupActive(
                        f"group {group} has active members: stop them, then run this again"
                    ) from error
                if error.args[0].code() not in COORDINATOR_MOVING or time.monotonic() > give_up:
                    raise
            time.sleep(POLL_INTERVAL_S)
    finally:
        consumer.close()


def _commit(consumer: Consumer, topic: str, to: Offsets) -> None:
    places = [TopicPartition(topic, partition, offset) for partition, offset in to.items()]
    for committed in consumer.commit(offsets=places, asynchronous=False):
        if committed.error:
            raise KafkaException(committed.error)
