"""How far consumer groups have read a topic, and how far they are behind its end."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urldefrag

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription

from foundation.kafka_clients import client_config
from foundation.settings import Settings

COORDINATOR_MOVING = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
"""Codes that say: retry, the group's coordinator is just being made or changed. A new broker returns them."""
_ASK_AGAIN = COORDINATOR_MOVING | {KafkaError.STALE_MEMBER_EPOCH, KafkaError._WAIT_COORD}
POLL_INTERVAL_S = 0.1
AT_A_TIME = 8
"""Groups that are asked at the same time: each takes a client of its own, with threads and connections."""
LONGEST_TIMEOUT_S = 3600.0
"""The longest time-out of an admin client's request."""


def known_offsets(
    consumer: Consumer, topic: str, partitions: Iterable[int], timeout_s: float
) -> dict[int, int]:
    """The offsets that the consumer's group has committed; it asks again while their coordinator moves.

    Raises KafkaException.
    """
    places = [TopicPartition(topic, partition) for partition in partitions]
    give_up_at = time.monotonic() + timeout_s
    while True:
        try:
            return _committed(consumer, places, max(0.1, give_up_at - time.monotonic()))
        except KafkaException as error:
            if error.args[0].code() not in _ASK_AGAIN or time.monotonic() > give_up_at:
                raise
        time.sleep(POLL_INTERVAL_S)


def _committed(consumer: Consumer, places: list[TopicPartition], timeout_s: float) -> dict[int, int]:
    found = consumer.committed(places, timeout_s)
    for place in found:
        # Without an offset it would look as if the group had none
        if place.error:
            raise KafkaException(place.error)
    return {place.partition: place.offset for place in found if place.offset >= 0}


class GroupOffsets:
    """Reads the offsets that a group has committed to a topic, as its consumer, but without joining it.

    An admin client could ask, too. But librdkafka 2.16 ends the process when its request is answered by
    NOT_COORDINATOR, as by a broker that has just started, or answered after its time-out.
    """

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        """Raises KafkaException for a group without a name, which has no consumers."""
        if not group:
            raise KafkaException(KafkaError(KafkaError.INVALID_GROUP_ID))
        self.topic, self.group = topic, group
        # Not read_committed: then offsets that an open transaction commits would be waited for
        more = {"group.id": group, "enable.auto.commit": False, "isolation.level": "read_uncommitted"}
        self._consumer = Consumer(client_config(settings) | more)

    def read(self, timeout_s: float) -> dict[int, int]:
        """The group's offset in each partition where it has one. Raises KafkaException."""
        give_up_at = time.monotonic() + timeout_s
        found = self._consumer.list_topics(self.topic, timeout=timeout_s).topics[self.topic]
        if found.error:
            raise KafkaException(found.error)
        return known_offsets(self._consumer, self.topic, found.partitions, give_up_at - time.monotonic())

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()


def committed_offsets(settings: Settings, topic: str, group: str, timeout_s: float) -> dict[int, int]:
    """The offsets that the group has committed, by partition. Raises KafkaException."""
    with closing(GroupOffsets(settings, topic, group)) as offsets:
        return offsets.read(timeout_s)


def committed_offsets_by_group(
    settings: Settings, topic: str, groups: Iterable[str], timeout_s: float
) -> dict[str, dict[int, int]]:
    """The same for several groups.

    A group whose coordinator does not answer is left out: it is moving, or the group was just deleted. Raises
    KafkaException if all are.
    """

    def of(group: str) -> dict[int, int] | KafkaException:
        try:
            return committed_offsets(settings, topic, group, timeout_s)
        except KafkaException as error:
            return error

    names = list(groups)
    offsets: dict[str, dict[int, int]] = {}
    errors: list[KafkaException] = []
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        for group, found in zip(names, threads.map(of, names), strict=True):
            if isinstance(found, KafkaException):
                errors.append(found)
            else:
                offsets[group] = found
    if errors and not offsets:
        raise errors[0]
    return offsets


class GroupDescriber:
    """Describes consumer groups: their state, their members, and the partitions of each. For one thread.

    librdkafka 2.16 aborts the process (``eonce->refcnt > 0``) when the request for a description times out
    before its coordinator is known, and both events reach a process at once that was frozen:
    https://github.com/confluentinc/librdkafka/issues/4605. No request of this class times out therefore. It
    stops waiting for the answer, and closes the client that waits for it still.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: AdminClient | None = None

    def describe(
        self, groups: Iterable[str], timeout_s: float
    ) -> dict[str, ConsumerGroupDescription | KafkaException]:
        """Each group's description, or the reason why there is none."""
        names = list(groups)
        if not names:
            return {}
        # Not ``or``: an admin client without requests is false
        if self._admin is None:
            self._admin = AdminClient(client_config(self._settings))
        give_up_at = time.monotonic() + timeout_s
        answers: dict[str, ConsumerGroupDescription | KafkaException] = {}
        for name, request in self._admin.describe_consumer_groups(
            names, request_timeout=LONGEST_TIMEOUT_S
        ).items():
            try:
                answers[name] = request.result(max(0.0, give_up_at - time.monotonic()))
            except KafkaException as error:
                answers[name] = error
            except TimeoutError:
                answers[name] = KafkaException(KafkaError(KafkaError._TIMED_OUT))
                self._admin = None
        return answers

    def description(self, group: str, timeout_s: float) -> ConsumerGroupDescription:
        """One group. Raises KafkaException."""
        (answer,) = self.describe([group], timeout_s).values()
        if isinstance(answer, KafkaException):
            raise answer
        return answer


def delete_group(settings: Settings, group: str, timeout_s: float) -> None:
    """Delete a group without members; one that does not exist is deleted. Raises KafkaException.

    No consumer can do that. As with GroupDescriber no request of the admin client times out: the client is
    closed instead.
    """
    admin, give_up_at = AdminClient(client_config(settings)), time.monotonic() + timeout_s
    while True:
        request = admin.delete_consumer_groups([group], request_timeout=LONGEST_TIMEOUT_S)[group]
        try:
            request.result(max(0.0, give_up_at - time.monotonic()))
            return
        except TimeoutError as error:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.GROUP_ID_NOT_FOUND:
                return
            if code not in COORDINATOR_MOVING or time.monotonic() > give_up_at:
                raise
        time.sleep(POLL_INTERVAL_S)


def member_names(group: ConsumerGroupDescription) -> list[str]:
    """The group's members, each as ``client at host``."""
    return [
        f"{member.group_instance_id or member.client_id} at {member.host.lstrip('/')}"
        for member in group.members
    ]


def gateway_url(address: str) -> str:
    """The URL of a gateway, from the client id of its member: that has the port of its links as fragment."""
    return urldefrag(address).url


def lag(committed: Mapping[int, int], beginning: Mapping[int, int], end: Mapping[int, int]) -> dict[int, int]:
    """Offsets between a group's and the topic's end, by partition; transaction markers count.

    A group without an offset in a partition, or with one that is gone, reads from the partition's beginning.
    """
    return {p: max(0, last - max(committed.get(p, 0), beginning[p])) for p, last in end.items()}
