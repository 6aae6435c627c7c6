"""Records that were deleted from the beginning of a topic's partitions."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from tests.support.stores import alter_topic
from tests.support.waiting import eventually

END = -1
"""All records: the offsets of later ones go on."""


def delete_before(settings: Settings, topic: str, offset: int, partitions: Iterable[int]) -> None:
    """Delete the records before ``offset``, as a retention time does.

    Kafka deletes no records of a topic that is only compacted: its policy is another one meanwhile.
    """
    admin = AdminClient(client_config(settings))
    places = [TopicPartition(topic, partition, offset) for partition in partitions]

    def deleted() -> bool:
        errors = [future.exception(20) for future in admin.delete_records(places).values()]
        for error in errors:
            # The partition's leader learns of the policy a moment later
            if isinstance(error, KafkaException) and error.args[0].code() == KafkaError.POLICY_VIOLATION:
                return False
            if error is not None:
                raise error
        return True

    alter_topic(admin, topic, {"cleanup.policy": "compact,delete"})
    eventually(deleted)
    alter_topic(admin, topic, {"cleanup.policy": "compact"})
