"""Writers that never pause: Kafka reports no end of their partition to its readers."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TypeAlias

from confluent_kafka import Producer

from eventstore.keys import event_key
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.codec import encode
from schemas.events import CopiesAdded

WRITERS = 3

Record: TypeAlias = Callable[[int, int], tuple[bytes, bytes]]
"""Key and value by the number of the writer and that of the record."""


def some_event(writer: int, number: int) -> tuple[bytes, bytes]:
    isbn = f"979000000{writer:04}"
    return event_key(isbn, number), encode(CopiesAdded(isbn, 1, 1_700_000_000_000))


@contextmanager
def steady_writes(settings: Settings, topic: str = "", record: Record = some_event) -> Iterator[None]:
    """Commit transactions to the first partition of a topic, of the event store by default."""
    begun, stop = threading.Barrier(WRITERS + 1), threading.Event()

    def write(writer: int) -> None:
        name = f"{settings.name}-steady-{writer}"
        producer = Producer(client_config(settings) | {"transactional.id": name, "linger.ms": 0})
        producer.init_transactions(20)
        for number in count(1):
            key, value = record(writer, number)
            producer.begin_transaction()
            producer.produce(topic or events_topic(settings), value, key, 0)
            producer.commit_transaction(20)
            if number == 1:
                begun.wait(20)
            if stop.is_set():
                return

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, writer) for writer in range(WRITERS)]
        try:
            begun.wait(20)
            yield
        finally:
            stop.set()
    for writer in writers:
        writer.result()
