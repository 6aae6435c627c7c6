"""A consumer group of somebody else's, as the view of operations shows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from tests.page.stock import settings_of
from tests.support.library.installed_system import System
from tests.support.waiting import eventually


@contextmanager
def group_reader(
    system: System, name: str, *, member: bool = False
) -> Iterator[tuple[dict[int, int], Callable[[dict[int, int]], object]]]:
    """A consumer group: the store's ends by partition, and a function that commits offsets for it."""
    settings = settings_of(system)
    topic = events_topic(settings)
    consumer = Consumer(reading_config(settings) | {"group.id": name, "client.id": name})
    try:
        if member:
            consumer.subscribe([topic])
            eventually(lambda: consumer.poll(0.1) is not None and consumer.assignment())
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in (0, 1)}
        yield (
            ends,
            lambda offsets: consumer.commit(
                offsets=[TopicPartition(topic, p, offset) for p, offset in offsets.items()],
                asynchronous=False,
            ),
        )
    finally:
        consumer.close()
        admin = AdminClient(client_config(settings))
        eventually(lambda: _deleted(admin, name))


def _deleted(admin: AdminClient, name: str) -> bool:
    """Delete the group, whose last member may still be leaving."""
    try:
        admin.delete_consumer_groups([name])[name].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.NON_EMPTY_GROUP:
            raise
        return False
    return True
