"""The notary's names in Kafka. Its checkpoints are in a topic with one partition; they are kept for ever."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from foundation.settings import Settings

CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""No checkpoint is ever deleted, and an older one of the same origin is evidence, too."""


def checkpoints_topic(settings: Settings) -> str:
    """The topic. Each record is one signed note; its key is the origin of the partition's log."""
    return f"{settings.name}.checkpoints"


def notary_group(settings: Settings) -> str:
    """The notary's consumer group. Its offsets show the lag; the folder says where reading begins."""
    return f"{settings.name}-notary"


def ensure_checkpoints_topic(admin: AdminClient, settings: Settings, timeout: float = 15.0) -> None:
    """Create the topic unless it exists. ``timeout`` (s) limits each request. Raises KafkaException."""
    topic = checkpoints_topic(settings)
    error = admin.list_topics(topic, timeout=timeout).topics[topic].error
    if error is None:
        return
    if error.code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
        raise KafkaException(error)
    new = NewTopic(topic, 1, settings.replication, config=CONFIG)
    try:
        admin.create_topics([new], operation_timeout=timeout, request_timeout=timeout)[topic].result()
    except KafkaException as failed:
        if failed.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
