"""Where the partitions of topics begin and end, as Kafka answers it."""

from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from foundation.kafka_clients import reading_config
from foundation.settings import Settings


class LogOffsets:
    """Asks as a consumer, but reads nothing. Threads may share one. Methods raise KafkaException.

    An admin client could be asked, too. But the ``list_offsets`` of librdkafka 2.16 has ended processes
    (SIGSEGV) after Kafka was killed: its thread and the caller's look up the leaders at the same time.
    """

    def __init__(self, settings: Settings, *, committed: bool = True) -> None:
        """``committed``: a partition ends before its first open transaction, as for readers of events."""
        level = "read_committed" if committed else "read_uncommitted"
        self._consumer = Consumer(reading_config(settings) | {"isolation.level": level})

    def partitions(self, topic: str, timeout_s: float) -> list[int]:
        """The numbers of a topic's partitions."""
        found = self._consumer.list_topics(topic, timeout_s).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def beginnings(self, topic: str, partitions: Iterable[int], timeout_s: float) -> dict[int, int]:
        """The first offset of each partition."""
        found = self._ask([(topic, partition) for partition in partitions], OFFSET_BEGINNING, timeout_s)
        return {partition: offset for (_, partition), offset in found.items()}

    def ends(self, partitions: Iterable[tuple[str, int]], timeout_s: float) -> dict[tuple[str, int], int]:
        """The offset of the next record of each partition of a topic."""
        return self._ask(partitions, OFFSET_END, timeout_s)

    def end(self, topic: str, partition: int, timeout_s: float) -> int:
        """The same for one partition."""
        return self._ask([(topic, partition)], OFFSET_END, timeout_s)[topic, partition]

    def at_time(
        self, topic: str, partitions: Iterable[int], ms: int, timeout_s: float
    ) -> dict[int, int | None]:
        """The first offset at or after ``ms`` (since 1970, UTC) of each partition; None: there is none."""
        # To Kafka a negative time is a place: -1 is the end
        found = self._ask([(topic, partition) for partition in partitions], max(0, ms), timeout_s)
        return {partition: offset if offset >= 0 else None for (_, partition), offset in found.items()}

    def _ask(
        self, partitions: Iterable[tuple[str, int]], wanted: int, timeout_s: float
    ) -> dict[tuple[str, int], int]:
        # A request for the offset of a time; Kafka knows -1 and -2 as the times of the end and the beginning
        request = [TopicPartition(topic, partition, wanted) for topic, partition in partitions]
        found = {}
        for answer in self._consumer.offsets_for_times(request, timeout_s):
            if answer.error:
                raise KafkaException(answer.error)
            found[answer.topic, answer.partition] = answer.offset
        return found

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
