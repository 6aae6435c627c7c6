"""Consumer groups of the event store: their members, and resetting their offsets."""

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from library.store.offsets import TIMEOUT_S, Offsets

POLL_INTERVAL_S = 0.1
COORDINATOR_MOVING = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""Codes that say: retry, the group's coordinator is just being made or changed. A new broker returns them."""


class GroupActive(Exception):
    """The group has members, which would keep reading at their own offsets; the message names them."""


def members(admin: AdminClient, group: str) -> list[str]:
    """The group's members now, each as ``client at host``; none for an unknown group.

    Raises KafkaException.
    """
    give_up_at = time.monotonic() + TIMEOUT_S
    while True:
        try:
            group_info = admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result()
            return [
                f"{member.group_instance_id or member.client_id} at {member.host.lstrip('/')}"
                for member in group_info.members
            ]
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            if error.args[0].code() not in COORDINATOR_MOVING or time.monotonic() > give_up_at:
                raise
        time.sleep(POLL_INTERVAL_S)


def wait_until_empty(admin: AdminClient, group: str, limit_s: float) -> None:
    """Wait up to ``limit_s`` seconds until the group has no member.

    A stopped process may stay a member until its session expires. Raises GroupActive, KafkaException.
    """
    end = time.monotonic() + limit_s
    while present := members(admin, group):
        if time.monotonic() > end:
            raise GroupActive(
                f"group {group} has active members: {', '.join(present)}. Stop them, run this again, "
                "then start them"
            )
        time.sleep(POLL_INTERVAL_S)


def reset_offsets(admin: AdminClient, topic: str, group: str, to: Offsets) -> None:
    """Set the group's committed offsets. Raises GroupActive, KafkaException."""
    partitions = [TopicPartition(topic, partition, offset) for partition, offset in to.items()]
    request = ConsumerGroupTopicPartitions(group, partitions)
    try:
        result = admin.alter_consumer_group_offsets([request], request_timeout=TIMEOUT_S)[group].result()
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP):
            raise GroupActive(f"group {group} has active members: stop them, then run this again") from error
        raise
    for altered in result.topic_partitions:
        if altered.error:
            raise KafkaException(altered.error)
