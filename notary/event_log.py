"""The event store as the notary examines it: its identity, the ends of its partitions, its batches."""

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from eventstore.log_offsets import LogOffsets
from eventstore.topics import cluster_id, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from notary.batches import first_outside
from notary.folder import Store
from notary.refusal import Reason, Refused

REQUEST_TIMEOUT_S = 5.0


class EventLog:
    """Asks Kafka. All methods raise KafkaException where it does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self.topic = settings, events_topic(settings)
        self._admin = AdminClient(client_config(settings))
        self._offsets = LogOffsets(settings, committed=False)
        self._timeout_s = min(REQUEST_TIMEOUT_S, settings.deadline)

    def store(self) -> Store:
        """The current ids of cluster and topic. Raises Refused if the topic is gone."""
        described = self._admin.describe_topics(
            TopicCollection([self.topic]), request_timeout=self._timeout_s
        )
        try:
            topic = described[self.topic].result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise Refused(Reason.OTHER_STORE, f"topic {self.topic} is gone") from error
            raise
        return Store(cluster_id(self._admin, self.topic, self._timeout_s), str(topic.topic_id))

    def beginnings(self) -> dict[int, int]:
        """The offset of the first record of each partition."""
        partitions = range(self._settings.partitions)
        return self._offsets.beginnings(self.topic, partitions, self._timeout_s)

    def ends(self) -> dict[int, int]:
        """The end of each partition, also of what is not committed yet."""
        places = [(self.topic, partition) for partition in range(self._settings.partitions)]
        ends = self._offsets.ends(places, self._timeout_s)
        return {partition: offset for (_, partition), offset in ends.items()}

    def outside_transactions(
        self, spans: Mapping[int, tuple[int, int]], beat: Callable[[], object]
    ) -> dict[int, int]:
        """As ``batches.first_outside``."""
        return first_outside(self._settings, self.topic, spans, beat)
