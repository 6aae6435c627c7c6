"""Progress of a contestant, read from Kafka."""

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.offsets import end, settled_end

LIMIT_S = 20.0


class Group:
    """Progress of a consumer group in an event store that does not grow."""

    def __init__(self, settings: Settings, group: str) -> None:
        topic = events_topic(settings)
        self.ends = settled_end(AdminClient(client_config(settings)), topic, LIMIT_S)
        # Not an AdminClient: it crashes if the coordinator of the group has just started (librdkafka 2.16)
        self._reader = Consumer(client_config(settings) | {"group.id": group, "enable.auto.commit": False})
        self._partitions = [TopicPartition(topic, partition) for partition in self.ends]

    def lag(self) -> int:
        """Return the number of uncommitted offsets."""
        at = self._reader.committed(self._partitions, timeout=LIMIT_S)
        return sum(self.ends[part.partition] - max(0, part.offset) for part in at)


def records(settings: Settings, changelog: str) -> int:
    """Return the number of records that were ever written to a changelog without transactions."""
    return sum(end(AdminClient(client_config(settings)), changelog).values())
