"""How far consumer groups are behind, as Kafka tells it."""

from types import SimpleNamespace
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import reading_config
from foundation.settings import Settings
from query_api.following.source import Source
from query_api.http.group_lag import Group, GroupLags
from query_api.replica.progress import Ends
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


class Answer:
    """What Kafka's client gives: a future that is done."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_a_group_that_cannot_be_queried_does_not_hide_others():
    class Admin:
        def list_consumer_groups(self, **_: Any) -> Answer:
            return Answer(
                SimpleNamespace(valid=[SimpleNamespace(group_id=name) for name in ("gone", "there")])
            )

        def list_consumer_group_offsets(self, asked: list[Any], **_: Any) -> dict[str, Answer]:
            (one,) = asked
            places = SimpleNamespace(topic_partitions=[TopicPartition("events", 0, 3)])
            error = KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
            return {one.group_id: Answer(error if one.group_id == "gone" else places)}

        def describe_consumer_groups(self, asked: list[str], **_: Any) -> dict[str, Answer]:
            return {name: Answer(SimpleNamespace(members=[])) for name in asked}

    source: Any = SimpleNamespace(
        admin=Admin(),
        new_admin=Admin,
        events="events",
        projector="library-projector",
        beginnings=lambda _: {0: 0},
        ends=lambda _: Ends((0,), (5,)),
    )
    assert GroupLags(source).groups() == [Group("there", [], {0: 3}, {0: 2})]
