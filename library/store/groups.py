"""Consumer groups of the event store: who is in one, and moving one to another place."""

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from library.store.offsets import TIMEOUT, Offsets

_LOOK_EVERY = 0.1


class GroupActive(Exception):
    """The group has members, who would go on from their own places; the message names them."""


def members(admin: AdminClient, group: str) -> list[str]:
    """Who reads in the group now, as ``client at host``; a group that never was has none.

    Raises KafkaException.
    """
    try:
        found = admin.describe_consumer_groups([group], request_timeout=TIMEOUT)[group].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    return [
        f"{member.group_instance_id or member.client_id} at {member.host.lstrip('/')}"
        for member in found.members
    ]


def wait_until_empty(admin: AdminClient, group: str, limit: float) -> None:
    """Wait up to ``limit`` seconds until nobody is in the group.

    One that was stopped may stay a member until its session is over. Raises GroupActive, KafkaException.
    """
    end = time.monotonic() + limit
    while here := members(admin, group):
        if time.monotonic() > end:
            raise GroupActive(
                f"group {group} is being read by {', '.join(here)}: stop what reads there, run this again, "
                "then start it"
            )
        time.sleep(_LOOK_EVERY)


def move(admin: AdminClient, topic: str, group: str, to: Offsets) -> None:
    """Have the group's next reader begin at these offsets. Raises GroupActive, KafkaException."""
    places = [TopicPartition(topic, partition, offset) for partition, offset in to.items()]
    asked = ConsumerGroupTopicPartitions(group, places)
    try:
        done = admin.alter_consumer_group_offsets([asked], request_timeout=TIMEOUT)[group].result()
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP):
            raise GroupActive(
                f"somebody reads in group {group}: stop what reads there, then run this again"
            ) from error
        raise
    for place in done.topic_partitions:
        if place.error:
            raise KafkaException(place.error)
