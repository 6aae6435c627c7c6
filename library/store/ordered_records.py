"""All committed records of the event store up to fixed offsets, in the order of their timestamps."""

import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eventstore.partition_reader import read_partition
from eventstore.topics import events_topic
from library.store.backup_file import Record
from library.store.offsets import Offsets

if TYPE_CHECKING:
    from foundation.settings import Settings

PROGRESS_RECORDS = 500
"""Records between two reports of progress."""


def records(settings: "Settings", ends: Offsets) -> Iterator[Record]:
    """Each record before ``ends``: a partition's records in log order, all merged by timestamp.

    Raises as ``read_partition``.
    """
    partitions = (_partition(settings, partition, end) for partition, end in ends.items() if end > 0)
    return heapq.merge(*partitions, key=lambda record: record.timestamp)


def counted(stored: Iterator[Record], report: Callable[[int], None]) -> Iterator[Record]:
    """The same records; ``report`` gets the number of those before every PROGRESS_RECORDS-th."""
    for number, record in enumerate(stored):
        if number % PROGRESS_RECORDS == 0:
            report(number)
        yield record


def _partition(settings: "Settings", partition: int, end: int) -> Iterator[Record]:
    topic = events_topic(settings)
    for message in read_partition(settings, topic, partition, end=end):
        yield _record(message)


def _record(message: Any) -> Record:
    return Record(
        partition=message.partition(),
        offset=message.offset(),
        timestamp=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=message.headers() or [],
    )
