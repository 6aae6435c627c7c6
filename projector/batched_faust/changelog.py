"""The changelog's writer: one transaction a batch, by the worker that has claimed the partition."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer import sender
from faust.transport.drivers import aiokafka as driver

from projector.batched_faust.errors import Stale, Unrecoverable

TRANSACTION_TIMEOUT_MS = 15_000
"""An open transaction of a dead worker hides the changelog's tail from readers for this long, unless the
next owner claims the partition earlier."""
ENDING_BACKOFF_S = 0.004
"""Until a transaction is begun again because Kafka is still ending the one before. Meanwhile its markers are
written, which takes a few milliseconds; aiokafka waits for 20."""


class Producer(driver.Producer):
    """A transactional producer for each changelog partition of this worker.

    A claim fences the partition's former owner. Otherwise a worker that thaws after its session has expired
    would overwrite newer rows with old ones, and compaction would make that permanent. A write never claims.
    The source offset is not part of the transaction, because reading events again does no harm.
    """

    mundane_level = "debug"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._claimed: dict[int, AIOKafkaProducer] = {}
        # aiokafka has no setting for it
        sender.BACKOFF_OVERRIDE = ENDING_BACKOFF_S

    def _settings_extra(self) -> dict[str, Any]:
        return {
            "acks": "all",
            "enable_idempotence": True,
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
            "retry_backoff_ms": 20,
        }

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `library topics create` creates the topics, and a worker checks them at its start."""

    async def claim(self, topic: str, partition: int) -> None:
        """Become the only writer of the partition. Kafka aborts the former owner's open transaction."""
        await self.release({partition})
        producer = self._new_producer(transactional_id=f"{topic}-{partition}")
        await producer.start()
        self._claimed[partition] = producer

    async def release(self, partitions: Collection[int]) -> None:
        """Close the producers of the claimed ones among ``partitions``."""
        mine = [self._claimed.pop(partition) for partition in set(partitions) & self._claimed.keys()]
        await asyncio.gather(*(producer.stop() for producer in mine))

    async def on_stop(self) -> None:
        """Close everything."""
        await self.release(set(self._claimed))
        await super().on_stop()

    async def append(self, topic: str, partition: int, rows: Iterable[tuple[bytes, bytes | None]]) -> int:
        """Commit ``rows`` in this order as one transaction, and return the offset of the last.

        A row of None is deleted. Raises Stale without a claim, Unrecoverable for a row that no batch can
        hold, and aiokafka's errors for a claim that another worker has taken over.
        """
        producer = self._claimed.get(partition)
        if producer is None:
            raise Stale(f"{topic} {partition} is not claimed by this worker")
        async with producer.transaction():
            # A batch is made when the one before is on its way: all at once would be in memory otherwise
            sent, builder = [], producer.create_batch()
            for key, value in rows:
                # aiokafka accepts a batch's first row of any size, and the broker then refuses it
                if value is not None and len(value) > self.max_batch_size:
                    raise Unrecoverable(
                        f"the row of {key.decode(errors='replace')} has {len(value)} bytes, the changelog "
                        f"takes {self.max_batch_size}: the title has too many open loans, or too long ones"
                    )
                if builder.append(timestamp=None, key=key, value=value) is None:
                    sent.append(await producer.send_batch(builder, topic, partition=partition))
                    builder = producer.create_batch()
                    builder.append(timestamp=None, key=key, value=value)
            sent.append(await producer.send_batch(builder, topic, partition=partition))
            *_, batch = await asyncio.gather(*sent)
        # aiokafka reports the first offset of a batch
        last: int = batch.offset + builder.record_count() - 1
        return last
