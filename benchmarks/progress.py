"""Progress of a contestant, read from Kafka."""

from confluent_kafka.admin import AdminClient

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.offsets import committed, end, settled_end


class Group:
    """Progress of a consumer group in an event store that does not grow."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._admin = AdminClient(client_config(settings))
        self._topic, self._group = events_topic(settings), group
        self.ends = settled_end(self._admin, self._topic, 20)

    def lag(self) -> int:
        """Return the number of uncommitted offsets."""
        at = committed(self._admin, self._topic, self._group)
        return sum(end - at.get(partition, 0) for partition, end in self.ends.items())


def records(settings: Settings, changelog: str) -> int:
    """Return the number of records that were ever written to a changelog without transactions."""
    return sum(end(AdminClient(client_config(settings)), changelog).values())
