"""How far consumer groups are behind, as Kafka tells it."""

from confluent_kafka import Consumer, TopicPartition

from query_api.groups import GroupLags
from query_api.source import Source
from schemas.events import BookAdded, BookBorrowed
from schemas.kafka import reading_config
from schemas.partitions import partition_of
from schemas.settings import Settings
from schemas.topics import events_topic
from tests.query_api.lending import AT, A, standin


def test_the_lag_of_each_group_by_partition(settings: Settings):
    writer = standin(settings)
    writer.append(BookAdded(A, "T", "A", 2, AT))
    (second,) = writer.append(BookBorrowed(A, "ann", AT, AT))
    readers = f"{settings.name}-readers"
    consumer = Consumer(reading_config(settings) | {"group.id": readers})
    try:
        place = TopicPartition(events_topic(settings), second.partition, second.offset)
        consumer.commit(offsets=[place], asynchronous=False)
    finally:
        consumer.close()
    lags = GroupLags(Source(settings)).lags()
    # An event and its transaction's marker; where nothing was written, nothing is missing
    home = partition_of(A, settings.partitions)
    assert lags == {readers: {p: 2 if p == home else 0 for p in range(settings.partitions)}}
