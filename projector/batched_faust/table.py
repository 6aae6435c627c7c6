"""The table: rows, written a batch at a time, and their position in the source."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn, cast

import faust
from confluent_kafka import KafkaException
from faust.tables.manager import TableManager
from faust.types import TP

from eventstore.avro import Undecodable
from eventstore.table_position import CODEC, POSITION_KEY, TablePosition
from eventstore.topics import Identity
from foundation import tracing
from projector.batched_faust.batch import Batch
from projector.batched_faust.changelog import Producer
from projector.batched_faust.errors import Stale, Unrecoverable
from projector.batched_faust.store import Store
from projector.batched_faust.traces import record_folds


async def _nothing_under_way() -> None:
    pass


class Tables(TableManager):
    """Faust's table manager without its initial sleep of a second: the one table is known at the start."""

    async def on_start(self) -> None:
        """Register the table's changelog, and get ready to recover."""
        await self._update_channels()
        await self.recovery.start()


class Table(faust.Table[bytes, bytes]):
    """Encoded rows by key. Only ``write`` writes them.

    ``identify`` returns the current identity of cluster and topics; it may block.
    """

    mundane_level = "debug"

    def __init__(self, *args: Any, identify: Callable[[], Identity], **kwargs: Any) -> None:
        # In messages, which are batches here. With 1 the changelog would keep flowing after recovery
        super().__init__(*args, **{**kwargs, "recovery_buffer_size": 2, "standby_buffer_size": 2})
        self._identify = identify
        self._identity: Identity | None = None
        self.settle: Callable[[], Awaitable[None]] = _nothing_under_way
        """Returns when no write of the table's owner is under way; awaited before partitions are released."""

    @property
    def store(self) -> Store:
        """The rows on disk."""
        return cast(Store, self.data)

    @property
    def producer(self) -> Producer:
        """The changelog's writer."""
        return cast(Producer, self.app.producer)

    async def claim(self, partitions: Collection[int]) -> None:
        """Become the only writer of the partitions' changelogs, and get their ends.

        Raises Unrecoverable for a changelog whose beginning was deleted, Stale for topics that were replaced
        while this worker ran, and the errors of aiokafka and the admin client.
        """
        topic = self.changelog_topic_name
        await asyncio.gather(*(self.producer.claim(topic, partition) for partition in partitions))
        identity = await asyncio.to_thread(self._identify)
        if self._identity not in (None, identity):
            raise Stale(f"the topics were replaced: {self._identity}, now {identity}")
        self._identity = identity
        changelogs = [TP(topic, partition) for partition in partitions]
        for tp, first in (await self.app.consumer.earliest_offsets(*changelogs)).items():
            if first:
                raise Unrecoverable(
                    f"the changelog {topic} {tp.partition} begins at {first}: rows were deleted from it. "
                    "Delete the topic, `library topics create`, and start again: the rows are recomputed"
                )
        ends = await self.app.consumer.highwaters(*changelogs)
        local = f"{identity.cluster}/{identity.events}/{identity.changelog}".encode()
        self.store.expect(local, {TP(*tp): end for tp, end in ends.items()})
        for partition in set(self.store.opened()) & set(partitions):
            if self.store.ahead(partition):
                raise Stale(f"{topic} {partition} ends before the rows that this worker has")

    async def check_topics(self) -> None:
        """End the worker if the topics have changed since the claim. A silent Kafka changes nothing."""
        if self._identity is None:
            return
        try:
            identity = await asyncio.to_thread(self._identify)
            if identity != self._identity:
                raise Stale(f"the topics were replaced: {self._identity}, now {identity}")
        except KafkaException as error:
            self.log.debug("the topics can't be compared: %s", error)
        except (Stale, Unrecoverable) as error:
            await cast(Any, self.app).crash(error)

    async def release(self, partitions: Collection[int]) -> None:
        """Release the changelogs."""
        await self.producer.release(partitions)

    def position(self, partition: int) -> int:
        """The next source offset. The rows include every event before it, and perhaps later ones.

        It is 0 without a readable position: all events are read again. Raises Unrecoverable when the rows
        were made from another event store.
        """
        assert self._identity is not None
        stored = self.store.read(partition, POSITION_KEY)
        if stored is None:
            return 0
        try:
            position: TablePosition = CODEC.decode(stored)
        except Undecodable as error:
            self.log.warning("partition %s has no readable position, reading from 0: %s", partition, error)
            return 0
        if position.source != self._identity.source:
            raise Unrecoverable(
                f"the changelog {self.changelog_topic_name} was made from another event store ({position}), "
                f"not from {self._identity.source}: delete that topic, `library topics create`, start again"
            )
        return max(0, position.next)

    async def write(self, batches: Sequence[Batch], rows: Iterable[tuple[bytes, bytes]]) -> int:
        """Store the rows that ``batches`` of a partition changed, and their end as the table's position.

        ``rows`` is looked at twice. Returns the number of bytes. Raises Stale when the batches do not follow
        each other or what the table has, or the changelog was replaced, Unrecoverable when the event store
        went back, and as ``Producer.append``.
        """
        tp, topic = batches[0].tp, self.changelog_topic_name
        position = self.position(tp.partition)
        for batch in batches:
            if batch.begin > position:
                raise Stale(f"{tp}: the table is at {position}, the batch begins at {batch.begin}")
            if batch.next < batch.begin:
                raise Unrecoverable(f"{tp}: the event store went back from {batch.begin} to {batch.next}")
            position = batch.next
        assert self._identity is not None
        mark = POSITION_KEY, CODEC.encode(TablePosition(self._identity.source, position))
        # The changelog first: RocksDB must never be ahead of it. Then the offset may be committed
        end = await self.producer.append(topic, tp.partition, chain(rows, [mark]))
        if end <= self.store.offset(tp.partition):
            raise Stale(f"{topic} {tp.partition} was replaced: it ends at {end}")
        written = self.store.write(tp.partition, chain(rows, [mark]), end)
        for batch in batches:
            batch.done = True
        if tracing.tracer is not None:
            record_folds(batches)
        return written

    async def put(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Store rows without a batch, in the changelog and then on disk. A row of None is deleted.

        They may include events that the position does not. Raises as ``Producer.append``.
        """
        end = await self.producer.append(self.changelog_topic_name, partition, rows.items())
        self.store.write(partition, rows.items(), end)

    def apply_changelog_batch(self, batch: Any) -> None:
        """Recover rows. An error ends the worker: Faust would log it and continue without these rows."""
        try:
            super().apply_changelog_batch(batch)
        except Exception as error:
            cast(Any, self.app).add_future(self.app.crash(error))
            raise

    def __setitem__(self, key: bytes, value: bytes) -> NoReturn:
        raise TypeError("only write() writes the table, a batch at a time")

    def __delitem__(self, key: bytes) -> NoReturn:
        raise TypeError("only write() writes the table, a batch at a time")
