"""The event store as the notary examines it: its identity, the ends of its partitions, its batches."""

from collections.abc import Callable, Mapping
from contextlib import closing

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from eventstore.log_offsets import LogOffsets
from eventstore.topics import cluster_id, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from notary.batches import BatchReader
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
        return self._ends(self._offsets)

    def committed_ends(self) -> dict[int, int]:
        """The end of each partition, before its first open transaction."""
        with closing(LogOffsets(self._settings)) as offsets:
            return self._ends(offsets)

    def batches(self, beat: Callable[[], object]) -> BatchReader:
        """A reader of the partitions' batches, which calls ``beat`` after each answer."""
        return BatchReader(self._settings, self.topic, beat)

    def outside_transactions(
        self, spans: Mapping[int, tuple[int, int]], beat: Callable[[], object]
    ) -> dict[int, int]:
        """The offset of the first record outside a transaction, by partition that has one.

        ``spans`` has the offsets to examine, by partition: from, and up to, without it. Raises
        KafkaUnavailable.
        """
        found = {}
        with self.batches(beat) as reader:
            for partition, (start, end) in spans.items():
                for batches in reader.read(partition, start, end):
                    if batches.outside is not None and batches.outside < end:
                        found[partition] = batches.outside
                        break
        return found

    def _ends(self, offsets: LogOffsets) -> dict[int, int]:
        places = [(self.topic, partition) for partition in range(self._settings.partitions)]
        ends = offsets.ends(places, self._timeout_s)
        return {partition: offset for (_, partition), offset in ends.items()}
