"""The agent: folds batches into the table, and decides when changed rows are written.

A caught-up partition writes after each batch. Partitions are written side by side: each waits for its own
transaction only, and the batches that arrive meanwhile share the next one. While many events still wait in a
partition, nobody waits for a single row: changed rows stay in memory over many batches and are written
together, each title once. Until then neither the group's offset nor the table's position passes these
batches. A worker that dies folds them again.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from faust.types import TP, AppT, StreamT

from eventstore.avro import Undecodable
from eventstore.partition_reader import read_partition
from eventstore.table_position import POSITION_KEY
from eventstore.topics import events_topic
from foundation.settings import Settings
from projector.batched_faust.batch import Batch, Record
from projector.batched_faust.consumer import Consumer
from projector.batched_faust.table import Table
from projector.memory import memory_budget
from projector.metrics import Metrics
from projector.projection import BadRecord, DamagedRow, Discontinuous, Fold, Projection

log = logging.getLogger(__name__)

SLICE_EVENTS = 2_000
"""Events that are folded before the event loop may send heartbeats."""
WRITE_BYTES = 8 << 20
"""Rows that are written together at first. The number follows the speed of the broker: a write has to end
before its transaction times out."""
WRITE_MIN_BYTES, WRITE_MAX_BYTES = 1 << 20, 64 << 20
WRITE_MAX_S = 2.0
"""Less is written together after a write that took longer, more after a faster one."""
UNWRITTEN_MAX_S = 10.0
"""Changed rows are written after this time at the latest. A killed worker has to fold that much again."""
IDLE_MAX_S = 1.0
"""They are also written when the partition had no batch for this long."""
CHECK_INTERVAL_S = 0.5
MAX_RECOMPUTED = 20
"""Rows that a worker computes anew one by one, reading the whole partition for each. Beyond that, replay."""
WAITING_EVENTS = 2_000
"""Events that may wait to be folded before another batch is taken."""
CAUGHT_UP_SHARE = 16
"""The partitions that have caught up remember rows in a sixteenth of the memory, all together."""


class _Folded(NamedTuple):
    """A batch whose events are in the fold. Its records are dropped."""

    batch: Batch
    events: int
    received: float


class _Arrived(NamedTuple):
    """A batch that waits to be folded."""

    batch: Batch
    received: float


class _Partition:
    """The fold of a partition, the batches that wait for it, and those whose rows are not written yet."""

    def __init__(self, number: int, fold: Fold) -> None:
        self.number, self.fold = number, fold
        self.arrived: list[_Arrived] = []
        self.unwritten: list[_Folded] = []
        self.busy = asyncio.Lock()
        """Held while events are folded, and until their rows are stored: only then may rows be forgotten."""
        self.work: asyncio.Task[None] | None = None
        self.halted = False
        """No later batch counts."""
        self.older = 0
        """Bytes of the rows that the fold still has from before its last ``forget``, at most."""

    def forget(self) -> None:
        """Begin a new generation of rows. All are written."""
        self.older = self.fold.memory
        self.fold.forget()

    def forget_older(self) -> None:
        """Forget the generation before."""
        self.older = 0
        self.fold.forget_older()

    def due(self, now: float) -> bool:
        """Whether the rows may not wait any longer."""
        return bool(self.unwritten) and (
            now - self.unwritten[0].received > UNWRITTEN_MAX_S
            or now - self.unwritten[-1].received > IDLE_MAX_S
        )


class Agent:
    """Folds each batch into the table. Rows take about ``projector_memory``, all partitions together."""

    def __init__(
        self, settings: Settings, app: AppT, table: Table, projection: Projection, metrics: Metrics
    ) -> None:
        self._settings, self._app, self._table, self._projection = settings, app, table, projection
        self._metrics = metrics
        # A fold keeps the rows of two generations
        self._generation_bytes = memory_budget(settings) // 2
        self._recomputed = 0
        self._write_bytes = WRITE_BYTES
        self._partitions: dict[int, _Partition] = {}
        self._waiting_events = 0
        self._room = asyncio.Event()
        self._freeing = asyncio.Lock()
        self._error: Exception | None = None

    @property
    def _consumer(self) -> Consumer:
        return cast(Consumer, self._app.consumer)

    async def settle(self) -> None:
        """Return when no batch is being folded, and no rows are being written."""
        while works := {one.work for one in self._partitions.values() if one.work is not None}:
            await asyncio.wait(works)

    async def forget(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Discard the folds at a rebalance: other workers may write rows from now on."""
        await self.settle()
        for partition in list(self._partitions.values()):
            # Rows that are due may be on their way
            async with partition.busy:
                pass
        self._partitions.clear()

    async def run(self, stream: StreamT[Any]) -> None:
        """Fold the batches into the table. The first error ends the worker."""
        async for batch in stream:
            await self._until_room()
            if self._error is not None:
                break
            self._take(batch)
        await self.settle()
        if self._error is not None:
            # Faust would continue with the next batch
            raise self._error

    async def write_due(self) -> None:
        """Write the rows that waited long enough. To be called regularly."""
        for partition in list(self._partitions.values()):
            if not partition.due(time.monotonic()):
                continue
            try:
                async with partition.busy:
                    # After an error the fold may have events of a batch that is not complete
                    if self._error is None and partition.due(time.monotonic()):
                        await self._write(partition)
            except Exception as error:
                await self._fail(error)
                raise

    async def _until_room(self) -> None:
        while self._waiting_events > WAITING_EVENTS and self._error is None:
            self._room.clear()
            await self._room.wait()

    def _take(self, batch: Batch) -> None:
        number = batch.tp.partition
        partition = self._partitions.get(number)
        if partition is None:
            fold = self._projection.fold(lambda key: self._read(number, key))
            partition = self._partitions[number] = _Partition(number, fold)
        partition.arrived.append(_Arrived(batch, time.monotonic()))
        self._waiting_events += len(batch)
        if partition.work is None:
            partition.work = asyncio.create_task(self._work(partition), name=f"partition {number}")

    async def _work(self, partition: _Partition) -> None:
        """Fold and write until nothing waits."""
        tp = partition.arrived[0].batch.tp
        try:
            while partition.arrived and self._error is None:
                async with partition.busy:
                    await self._project(partition)
                await self._keep_within_budget()
        except Exception as error:  # noqa: BLE001 - it ends the worker, and ``run`` raises it
            await self._fail(error, tp)
        finally:
            partition.work = None

    async def _fail(self, error: Exception, tp: TP | None = None) -> None:
        """End the worker. Nothing is folded or written any more, except what is under way."""
        self._error = self._error or error
        self._room.set()
        if isinstance(error, DamagedRow) and tp is not None:
            await self._start_anew(tp, error.key)
        await self._app.crash(error)

    async def _project(self, partition: _Partition) -> None:
        """Fold the batches that have arrived; write the rows, unless they may wait."""
        last = partition.arrived[-1].batch
        arrived, partition.arrived = partition.arrived, []
        for batch, received in arrived:
            events = len(batch)
            if not partition.halted:
                stopped = await self._fold(batch, partition.fold)
                if stopped is not None:
                    partition.halted = True
                    batch.end_before(stopped.offset)
                    self._halt(batch.tp, stopped.offset, stopped.reason)
                if batch.next != batch.begin:
                    partition.unwritten.append(_Folded(batch, len(batch), received))
                    batch.clear()
            self._waiting_events -= events
            self._room.set()
        if partition.halted or not self._may_wait(partition, last):
            await self._write(partition)

    async def _fold(self, batch: Batch, fold: Fold) -> BadRecord | None:
        records = list(batch)
        while records:
            taken = records[:SLICE_EVENTS]
            try:
                if (stopped := fold.add(taken)) is not None:
                    return stopped
                del records[: len(taken)]
            except Discontinuous as error:
                await self._recompute(batch, fold, error)
                prefix = error.stream.encode() + b"/"
                records = [
                    record for record in records
                    if record[0] > error.offset and not (record[1] or b"").startswith(prefix)
                ]  # fmt: skip
            await asyncio.sleep(0)
        return None

    def _read(self, partition: int, key: bytes) -> bytes | None:
        # After the middle of a replay every row is recomputed: without a position the fold does not raise
        if key == POSITION_KEY and self._recomputed >= MAX_RECOMPUTED:
            return None
        return self._table.store.read(partition, key)

    async def _recompute(self, batch: Batch, fold: Fold, error: Discontinuous) -> None:
        """Give the fold the stream's row up to the end of ``batch``, as the first of its events make it.

        Raises ``error`` where that is not possible, or too much work.
        """
        self._recomputed += 1
        if self._projection.recompute is None or self._recomputed > MAX_RECOMPUTED:
            raise error
        log.error("%s is recomputed from its first event: %s", error.stream, error)
        row = await asyncio.to_thread(
            self._projection.recompute, error.stream, self._log(batch.tp.partition, batch.next)
        )
        if row is None:
            raise error
        fold.replace(error.stream.encode(), row)

    def _log(self, partition: int, end: int) -> Iterator[Record]:
        """All records before ``end``."""
        for message in read_partition(self._settings, events_topic(self._settings), partition, end=end):
            yield message.offset() or 0, message.key(), message.value()

    def _may_wait(self, partition: _Partition, last: Batch) -> bool:
        return (
            not self._is_full(partition.fold)
            and not partition.due(time.monotonic())
            and self._consumer.is_far_behind(last.tp, last.next)
        )

    def _is_full(self, fold: Fold) -> bool:
        """Whether the rows are as many as are written together."""
        if fold.unwritten <= self._write_bytes:
            return False
        fold.measure()
        # If little is missing, it is not worthwhile to count again after the next batch
        return fold.unwritten > self._write_bytes * 3 // 4

    async def _keep_within_budget(self) -> None:
        """Write and forget the rows of the largest fold, if all together take too much memory."""
        while self._memory() > self._generation_bytes:
            async with self._freeing:
                largest = max(self._partitions.values(), key=lambda partition: partition.fold.memory)
                async with largest.busy:
                    largest.fold.measure()
                    if self._memory() <= self._generation_bytes * 3 // 4:
                        return
                    await self._write(largest)
                    largest.forget()
                    self._limit_older(largest)

    def _limit_older(self, newest: _Partition) -> None:
        """Forget older rows of other partitions than ``newest``, if those of all take too much memory."""
        size = sum(one.older for one in self._partitions.values())
        others = [one for one in self._partitions.values() if one is not newest]
        for other in sorted(others, key=lambda one: one.older, reverse=True):
            if size <= self._generation_bytes:
                return
            size -= other.older
            other.forget_older()

    def _memory(self) -> int:
        return sum(partition.fold.memory for partition in self._partitions.values())

    async def _write(self, partition: _Partition) -> None:
        """Write the changed rows of a partition. Then its batches are done."""
        if not partition.unwritten:
            return
        begun = time.monotonic()
        rows = partition.fold.take()
        batches = [folded.batch for folded in partition.unwritten]
        size = await self._table.write(batches, rows)
        now = time.monotonic()
        self._write_bytes = write_limit(self._write_bytes, size, now - begun)
        for folded in partition.unwritten:
            self._metrics.batch(folded.events, now - folded.received)
        self._metrics.rows(len(rows))
        partition.unwritten.clear()
        if not self._consumer.is_far_behind(batches[-1].tp, batches[-1].next):
            self._forget_most(partition)

    def _forget_most(self, partition: _Partition) -> None:
        """Keep only the recent rows of a partition that has caught up; none after a rebuild."""
        # Those from which no event has come yet have a share, too
        partitions = max(len(self._consumer.assigned()), len(self._partitions))
        kept = self._generation_bytes // (CAUGHT_UP_SHARE * partitions)
        if partition.older > kept:
            partition.forget_older()
        if partition.fold.memory <= kept:
            return
        # After a rebuild the number of rows says enough
        partition.fold.measure(enough=2 * kept)
        size = partition.fold.memory
        if size > kept * 3 // 4:
            partition.forget()
        if size > 2 * kept:
            # Those that were used last are forgotten, too
            partition.forget_older()

    async def _start_anew(self, tp: TP, damaged: bytes) -> None:
        """Delete all damaged rows, and let the next worker read the events from the beginning."""
        await self._consumer.rewind(tp)
        keys = {damaged} | await asyncio.to_thread(self._undecodable, tp.partition)
        await self._table.put(tp.partition, dict.fromkeys(keys))

    def _undecodable(self, partition: int) -> set[bytes]:
        keys = set()
        for key, row in self._table.store.rows(partition):
            try:
                self._projection.codec.decode(row)
            except Undecodable:
                keys.add(key)
        return keys

    def _halt(self, tp: TP, offset: int, reason: Exception) -> None:
        log.error(
            "partition %s is stopped at offset %s, the others continue: %s. Another program wrote the "
            "record; `library doctor` shows it",
            tp.partition, offset, reason,
        )  # fmt: skip
        self._consumer.halt(tp)


def write_limit(before: int, size: int, took_s: float) -> int:
    """The bytes to write together after a write of ``size`` bytes."""
    if took_s > WRITE_MAX_S:
        return max(WRITE_MIN_BYTES, before // 2)
    if size > before // 2:
        return min(WRITE_MAX_BYTES, int(size * WRITE_MAX_S / took_s))
    return before
