"""One partition of a topic: its committed records from the first one on, and where the end is."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from foundation.kafka_clients import KafkaUnavailable, reading_config

if TYPE_CHECKING:
    from foundation.settings import Settings

_AT_ONCE = 2000
_WAIT = 0.2
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}


def partition_log(
    settings: "Settings", topic: str, partition: int, start: int = 0
) -> Iterator[Message | None]:
    """Each committed record from ``start``, for ever; None each time that the end has been reached.

    Raises KafkaUnavailable when Kafka says nothing for the settings' deadline, KafkaException for what it
    refuses.
    """
    consumer = Consumer(reading_config(settings) | {"auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic, partition, start)])
        heard, at_end = time.monotonic(), False
        while True:
            # consume(n, t) waits the whole t unless it gets n: take one, then what is there
            messages = consumer.consume(1, _WAIT) + consumer.consume(_AT_ONCE, 0)
            if messages or at_end:
                heard = time.monotonic()
            elif time.monotonic() - heard > settings.deadline:
                raise KafkaUnavailable(f"Kafka at {settings.kafka} was silent for {settings.deadline:g} s")
            for message in messages:
                error = message.error()
                if error is None:
                    at_end = False
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    at_end = True
                    yield None
                elif error.code() not in _PASSING:
                    raise KafkaException(error)
            if not messages and at_end:
                yield None
    finally:
        consumer.close()
