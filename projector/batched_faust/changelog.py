"""The changelog's writer: a transaction for each batch, by the one worker that has claimed the partition."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from faust.transport.drivers import aiokafka as driver

from projector.ending import Stale, Unrecoverable

TRANSACTION_TIMEOUT_MS = 15_000
"""A transaction that a dead worker left open hides the changelog's tail from readers for so long, unless the
next owner claims the partition before."""


class Producer(driver.Producer):
    """A transactional producer for each changelog partition of this worker.

    Claiming one fences the partition's former owner. A worker that was frozen longer than its session, and
    thaws, would otherwise write old rows over newer ones, and compaction would make that permanent. Writing
    never claims. The source offset stays outside of the transaction: reading events again does no harm.
    """

    mundane_level = "debug"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._claimed: dict[int, AIOKafkaProducer] = {}

    def _settings_extra(self) -> dict[str, Any]:
        return {
            "acks": "all",
            "enable_idempotence": True,
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
            "retry_backoff_ms": 20,
        }

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: topics are made by `library topics create`, and checked when a worker starts."""

    async def claim(self, topic: str, partition: int) -> None:
        """Become the only writer of the partition; what the former one left open is aborted."""
        await self.release({partition})
        producer = self._new_producer(transactional_id=f"{topic}-{partition}")
        await producer.start()
        self._claimed[partition] = producer

    async def release(self, partitions: Collection[int]) -> None:
        """Close the writers of those of ``partitions`` that are claimed."""
        mine = [self._claimed.pop(partition) for partition in set(partitions) & self._claimed.keys()]
        await asyncio.gather(*(producer.stop() for producer in mine))

    async def on_stop(self) -> None:
        """Close everything."""
        await self.release(set(self._claimed))
        await super().on_stop()

    async def append(self, topic: str, partition: int, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """Commit ``rows`` in this order as one transaction; the offset of the last.

        Raises Stale without a claim, Unrecoverable for a row that no batch can hold, and what aiokafka raises
        for a claim that another worker has taken over.
        """
        producer = self._claimed.get(partition)
        if producer is None:
            raise Stale(f"{topic} {partition} is not claimed by this worker")
        builders = [producer.create_batch()]
        for key, value in rows:
            # aiokafka would take the first row of a batch whatever its size, for the broker to refuse
            if len(value) > self.max_batch_size:
                raise Unrecoverable(
                    f"the row of {key.decode(errors='replace')} has {len(value)} bytes, the changelog takes "
                    f"{self.max_batch_size}: the title has too many open loans, or too long ones"
                )
            if builders[-1].append(timestamp=None, key=key, value=value) is None:
                builders.append(producer.create_batch())
                builders[-1].append(timestamp=None, key=key, value=value)
        async with producer.transaction():
            sent = await asyncio.gather(
                *[await producer.send_batch(builder, topic, partition=partition) for builder in builders]
            )
        # aiokafka tells a batch's first offset
        last: int = sent[-1].offset + builders[-1].record_count() - 1
        return last
