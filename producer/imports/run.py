"""An import: the whole file is read and checked first, then appended partition by partition."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.log_offsets import LogOffsets
from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from foundation.text import Malformed
from producer.imports.appending import Committed, Counts, Share, Task, append_share
from producer.imports.csv_records import Unreadable
from producer.imports.files import Catalogue, require_unchanged, rows
from producer.imports.isbns import have_lost_zeros
from producer.imports.spool import Spool
from producer.imports.workers import Workers
from schemas.topics import check_topics

MIN_PARALLEL_BYTES = 4_000_000
"""A smaller file is imported before further processes would have started."""
MAX_PROCESSES = 4
MAX_EVENTS_IN_MEMORY = 250_000
"""Events of a partition whose titles and answers a writer holds in memory, about 1 kB each.

With more it keeps them in a snapshot, which takes twice the time of a new row, and no memory.
"""
KAFKA_TIMEOUT_S = 15.0


class RowsRead(Struct):
    """Rows of the file; ``blank`` ones have no content."""

    all: int = 0
    blank: int = 0


def read_into(
    spool: Spool, catalogue: Catalogue, partitions: int, progress: Callable[[int], None]
) -> RowsRead:
    """Check every row, and spool it for its partition or with the reason why it is rejected.

    Calls ``progress`` with the number of bytes read. Raises BadFile.
    """
    read = RowsRead()
    zeros_dropped = cache(lambda: have_lost_zeros(_isbns(catalogue)))
    for line, row in rows(catalogue, progress):
        read.all += 1
        if row is None:
            read.blank += 1
        elif isinstance(row, Unreadable):
            spool.reject(line, row.reason)
        else:
            try:
                command = catalogue.columns.command(row, zeros_dropped)
            except Malformed as error:
                spool.reject(line, str(error))
            else:
                spool.put(partition_of(command.isbn, partitions), line, command)
    spool.finish()
    require_unchanged(catalogue)
    return read


def _isbns(catalogue: Catalogue) -> Iterator[str]:
    """The ISBN of each row as it is in the file."""
    for _, row in rows(catalogue):
        if row is not None and not isinstance(row, Unreadable):
            with suppress(Malformed):
                yield catalogue.columns.isbn(row)


def log_ends(settings: Settings) -> list[int]:
    """The end offset of each partition of the event store. Raises KafkaException, and WrongTopic."""
    admin, topic = AdminClient(client_config(settings)), events_topic(settings)
    timeout_s = min(settings.deadline, KAFKA_TIMEOUT_S)
    check_topics(admin, settings, timeout_s, tables=())
    partitions = [(topic, partition) for partition in range(settings.partitions)]
    offsets = LogOffsets(settings, committed=False)
    try:
        ends = offsets.ends(partitions, timeout_s)
    finally:
        offsets.close()
    return [ends[partition] for partition in partitions]


def processes_for(catalogue: Catalogue) -> int:
    """How many processes the file's size and the machine make worthwhile; 0: none but this one."""
    # A process waits for Kafka half of its time
    return 0 if catalogue.size_bytes < MIN_PARALLEL_BYTES else min(2 * (os.cpu_count() or 1), MAX_PROCESSES)


def append(
    spool: Spool,
    identity: str,
    settings: Settings,
    ends: list[int],
    workers: Workers,
    progress: Callable[[int], None],
) -> tuple[Counts, dict[int, int]]:
    """Append the spooled rows; the counts, and by partition the offset of the last receipt.

    Calls ``progress`` with the number of rows. Raises Stopped.
    """
    shares = [
        Share(partition, count, ends[partition] + count <= MAX_EVENTS_IN_MEMORY)
        for partition, count in enumerate(spool.counts)
        if count
    ]
    task = Task(settings, str(spool.folder), identity)
    counts, offsets = Counts(), dict[int, int]()
    for committed in workers.append(task, shares) if workers.count else _append_here(task, shares):
        counts.add(committed.counts)
        if committed.offset >= 0:
            offsets[committed.partition] = max(offsets.get(committed.partition, -1), committed.offset)
        progress(counts.all)
    return counts, offsets


def _append_here(task: Task, shares: list[Share]) -> Iterator[Committed]:
    for share in shares:
        yield from append_share(task, share, lambda: False)
