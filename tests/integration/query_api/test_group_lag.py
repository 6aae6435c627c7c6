"""How far consumer groups are behind, as Kafka tells it."""

from confluent_kafka import Consumer, TopicPartition

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import reading_config
from foundation.settings import Settings
from query_api.following.source import Source
from query_api.http.group_lag import Group, GroupLags
from schemas.events import BookAdded, BookBorrowed
from tests.support.query_api.loan_traffic import AT, A, store_writer
from tests.support.waiting import eventually


def test_group_lag_is_reported_by_group_and_partition(settings: Settings):
    writer = store_writer(settings)
    writer.append(BookAdded(A, "T", "A", 2, AT))
    (second,) = writer.append(BookBorrowed(A, "ann", AT, AT))
    readers = f"{settings.name}-readers"
    consumer = Consumer(reading_config(settings) | {"group.id": readers})
    try:
        place = TopicPartition(events_topic(settings), second.partition, second.offset)
        consumer.commit(offsets=[place], asynchronous=False)
    finally:
        consumer.close()
    # An event and its transaction's marker; where nothing was written, nothing is missing
    home = partition_of(A, settings.partitions)
    lags = {p: 2 if p == home else 0 for p in range(settings.partitions)}
    expected = [Group(readers, [], {second.partition: second.offset}, lags)]
    source = Source(settings)
    # A broker that has just begun may need a moment to tell its groups
    eventually(lambda: GroupLags(source).groups() == expected)
