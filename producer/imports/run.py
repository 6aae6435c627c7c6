"""An import: the whole file is read and checked first, then appended partition by partition."""

import os
from collections.abc import Callable, Iterator

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from foundation.text import Malformed
from producer.imports.appending import Counts, Share, Task, append_share
from producer.imports.columns import Columns
from producer.imports.files import Catalogue, Unreadable, rows
from producer.imports.spool import Spool
from producer.imports.workers import Workers
from schemas.topics import check_topics

SMALL = 4_000_000
"""Bytes of a file that is imported before further processes would have started."""
MOST_PROCESSES = 4
IN_MEMORY = 250_000
"""Events of a partition whose titles and answers a writer holds in memory, about 1 kB each.

Beyond that it keeps them in a snapshot, which is three times slower and takes no memory.
"""


def read_into(
    spool: Spool, catalogue: Catalogue, columns: Columns, partitions: int, progress: Callable[[int], None]
) -> None:
    """Check every row and keep it for its partition, or why it is refused; ``progress`` is told bytes.

    Raises BadFile.
    """
    for number, row in rows(catalogue, progress):
        if isinstance(row, Unreadable):
            spool.refuse(number, row.why)
            continue
        try:
            command = columns.command(row)
        except Malformed as error:
            spool.refuse(number, str(error))
        else:
            spool.put(partition_of(command.isbn, partitions), number, command)
    spool.finish()


def log_ends(settings: Settings) -> list[int]:
    """Where each partition of the event store ends. Raises KafkaException, and WrongTopic."""
    admin, topic = AdminClient(client_config(settings)), events_topic(settings)
    timeout = min(settings.deadline, 15.0)
    check_topics(admin, settings, timeout)
    asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(settings.partitions)}  # type: ignore[no-untyped-call]
    found = admin.list_offsets(
        asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout
    )
    ends = {place.partition: future.result().offset for place, future in found.items()}
    return [ends[partition] for partition in range(settings.partitions)]


def processes_for(catalogue: Catalogue) -> int:
    """How many processes the file and the machine make worthwhile; 0: none but this one."""
    # Each waits for Kafka half of its time
    return 0 if catalogue.size < SMALL else min(2 * (os.cpu_count() or 1), MOST_PROCESSES)


def append(
    spool: Spool,
    identity: str,
    settings: Settings,
    ends: list[int],
    workers: Workers,
    progress: Callable[[int], None],
) -> Counts:
    """Append what was read; ``progress`` is told rows. Raises Stopped."""
    shares = [
        Share(partition, ends[partition] + count <= IN_MEMORY)
        for partition, count in enumerate(spool.counts)
        if count
    ]
    task = Task(settings, str(spool.folder), identity)
    counts = Counts()
    for batch in workers.append(task, shares) if workers.count else _append_here(task, shares):
        counts.add(batch)
        progress(counts.all)
    return counts


def _append_here(task: Task, shares: list[Share]) -> Iterator[Counts]:
    for share in shares:
        yield from append_share(task, share, lambda: False)
