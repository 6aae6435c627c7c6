"""How far consumer groups have read a topic, and how far they are behind its end."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription


def committed_offsets(admin: AdminClient, topic: str, group: str, timeout_s: float) -> dict[int, int]:
    """The offsets that the group has committed, by partition. Raises KafkaException."""
    return _of_topic(topic, _request(admin, group, timeout_s).result())


def committed_offsets_by_group(
    admin: AdminClient, topic: str, groups: Iterable[str], timeout_s: float
) -> dict[str, dict[int, int]]:
    """The same for several groups.

    A group whose coordinator does not answer is left out: it is moving, or the group was just deleted.
    """
    # The client takes one group in a call: send all requests before waiting for the first answer
    requests = {group: _request(admin, group, timeout_s) for group in groups}
    offsets: dict[str, dict[int, int]] = {}
    for group, request in requests.items():
        try:
            offsets[group] = _of_topic(topic, request.result())
        except KafkaException:
            continue
    return offsets


def members_by_group(admin: AdminClient, groups: Iterable[str], timeout_s: float) -> dict[str, list[str]]:
    """The members of several groups. A group whose coordinator does not answer is left out."""
    names = list(groups)
    if not names:
        return {}
    members = {}
    for name, answer in admin.describe_consumer_groups(names, request_timeout=timeout_s).items():
        try:
            members[name] = member_names(answer.result())
        except KafkaException:
            continue
    return members


def member_names(group: ConsumerGroupDescription) -> list[str]:
    """The group's members, each as ``client at host``."""
    return [
        f"{member.group_instance_id or member.client_id} at {member.host.lstrip('/')}"
        for member in group.members
    ]


def lag(committed: Mapping[int, int], beginning: Mapping[int, int], end: Mapping[int, int]) -> dict[int, int]:
    """Offsets between a group's and the topic's end, by partition; transaction markers count.

    A group without an offset in a partition, or with one that is gone, reads from the partition's beginning.
    """
    return {p: max(0, last - max(committed.get(p, 0), beginning[p])) for p, last in end.items()}


def _request(admin: AdminClient, group: str, timeout_s: float) -> "Future[ConsumerGroupTopicPartitions]":
    return admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s
    )[group]


def _of_topic(topic: str, group: ConsumerGroupTopicPartitions) -> dict[int, int]:
    return {
        part.partition: part.offset
        for part in group.topic_partitions or ()
        if part.topic == topic and part.offset >= 0
    }
