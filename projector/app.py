"""The Faust app of a projection: one agent that folds the event store into one table."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import faust
from faust import stores, transport
from faust.types import TP

from eventstore.avro import Undecodable
from eventstore.partition_reader import read_partition
from eventstore.table_position import POSITION_KEY
from eventstore.topics import Identity, events_topic
from foundation.settings import Settings
from projector.batched_faust.batch import Batch, Record
from projector.batched_faust.consumer import Consumer
from projector.batched_faust.store import MEMORY
from projector.batched_faust.table import Table, Tables
from projector.ending import exit_code
from projector.metrics import Metrics
from projector.projection import DamagedRow, Discontinuous, Fold, Projection
from projector.security import broker_credentials

log = logging.getLogger(__name__)

BATCH_MAX_EVENTS = 20_000
"""The more events of a row come together, the fewer rows are written."""
SLICE_EVENTS = 2_000
"""Events that are folded before the event loop may send heartbeats."""
PARTITION_FETCH_MAX_BYTES = 8 << 20
"""Enough for a batch."""
QUEUED_BATCHES = 2
"""Batches that wait for the agent. Faust counts messages; its default of 4,096 would fill the memory."""
ROW_MAX_BYTES = 1_000_000
"""A row, and a batch of rows: a broker's default maximum, less the overhead."""
STOP_TIMEOUT_S = 10.0
TOPIC_CHECK_INTERVAL_S = 10.0
"""A worker notices within this time that somebody has added partitions or replaced a topic."""
MAX_RECOMPUTED = 20
"""Rows that a worker computes anew one by one, reading the whole partition for each. Beyond that, replay."""


def end_within(code: int, seconds: float = STOP_TIMEOUT_S) -> None:
    """End this process with ``code`` unless it ends by itself within ``seconds``."""
    watchdog = threading.Timer(seconds, os._exit, [code])
    watchdog.daemon = True
    watchdog.start()


class App(faust.App):
    """Ends for certain after a crash. The exit code says whether a restart helps."""

    mundane_level = "debug"

    exit_code: int | None = None
    metrics: Metrics

    def _crash(self, reason: BaseException) -> None:
        # Only the first reason counts: Faust restarts the agent, whose next batch fails too
        if self.exit_code is None:
            self.exit_code = exit_code(reason)
            log.error("the worker ends: %s: %s", type(reason).__name__, reason)
            # A stop during a rebalance can hang for ever, and a hanging member keeps its partitions
            end_within(self.exit_code)
        super()._crash(reason)


def build(settings: Settings, index: int, identify: Callable[[], Identity], projection: Projection) -> App:
    """Worker ``index`` of a projection; each worker needs an index of its own. Starts nothing.

    ``identify`` returns the current identity of cluster and topics; it may block.
    """
    table_name = projection.table
    transport.drivers.TRANSPORTS.aliases["kafka+batch"] = "projector.batched_faust.transport:Transport"
    stores.STORES.aliases["rocksdb+batch"] = "projector.batched_faust.store:Store"
    group = table_name.group_id(settings)
    app = App(
        group,
        broker=[f"kafka+batch://{server}" for server in settings.kafka.split(",")],
        broker_credentials=broker_credentials(settings),
        store="rocksdb+batch://",
        datadir=_literal(Path(settings.data_dir) / f"{table_name.group}-{index}"),
        Table=Table,
        TableManager=Tables,
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        # A worker that is killed and comes back under the same id takes its partitions without a rebalance
        consumer_group_instance_id=f"{group}-{index}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=PARTITION_FETCH_MAX_BYTES,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=0.5,
        broker_commit_interval=0.25,
        broker_max_poll_records=BATCH_MAX_EVENTS,
        stream_buffer_maxsize=QUEUED_BATCHES,
        stream_wait_empty=True,
        producer_linger=0,
        producer_max_batch_size=ROW_MAX_BYTES,
        producer_max_request_size=ROW_MAX_BYTES + 4096,
        producer_request_timeout=60.0,
    )
    table: Table = cast(Any, app).Table(
        table_name.name, key_type=bytes, value_type=bytes, partitions=settings.partitions, identify=identify,
        options={"driver": "rocksdict", **MEMORY},
    )  # fmt: skip
    assert table.changelog_topic_name == table_name.changelog(settings)
    source = app.topic(events_topic(settings), key_type=bytes, value_type=bytes, value_serializer="raw")
    app.metrics = Metrics(lambda: cast(Consumer, app.consumer).progress())
    app.timer(TOPIC_CHECK_INTERVAL_S)(table.check_topics)
    agent = Agent(settings, app, table, projection)
    app.on_partitions_assigned.connect(agent.forget, weak=False)
    app.agent(source, name="project")(agent.run)
    return app


def _literal(path: Path) -> str:
    """The path as Faust takes it: Faust expands format fields in it."""
    return str(path).replace("{", "{{").replace("}", "}}")


class Agent:
    """Folds each batch into the table."""

    def __init__(self, settings: Settings, app: App, table: Table, projection: Projection) -> None:
        self._settings, self._app, self._table, self._projection = settings, app, table, projection
        self._recomputed = 0
        self._folds: dict[int, Fold] = {}

    async def forget(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Discard the folds after a new assignment: other workers may have written rows since."""
        self._folds.clear()

    async def run(self, stream: faust.StreamT[Any]) -> None:
        """Fold the batches into the table. The first error ends the worker."""
        async for batch in stream:
            try:
                await self._project(batch)
            except Exception as error:
                if isinstance(error, DamagedRow):
                    await self._start_anew(batch.tp, error.key)
                # Faust would continue with the next batch
                await self._app.crash(error)
                raise

    async def _project(self, batch: Batch) -> None:
        begun = time.monotonic()
        while True:
            try:
                fold = await self._folded(batch)
                break
            except Discontinuous as error:
                await self._recompute(batch, error)
        if batch.next != batch.begin:
            rows = fold.take()
            await self._table.write(batch, rows)
            self._app.metrics.batch(len(batch), len(rows), time.monotonic() - begun)

    async def _folded(self, batch: Batch) -> Fold:
        partition = batch.tp.partition
        fold = self._folds.get(partition)
        if fold is None:
            fold = self._folds[partition] = self._projection.fold(partial(self._read, partition))
        for start in range(0, len(batch), SLICE_EVENTS):
            if (stopped := fold.add(batch[start : start + SLICE_EVENTS])) is not None:
                batch.end_before(stopped.offset)
                self._halt(batch.tp, stopped.offset, stopped.reason)
                break
            await asyncio.sleep(0)
        return fold

    def _read(self, partition: int, key: bytes) -> bytes | None:
        # After the middle of a replay every row is computed anew: without a position the fold does not raise
        if key == POSITION_KEY and self._recomputed >= MAX_RECOMPUTED:
            return None
        return self._table.store.read(partition, key)

    async def _recompute(self, batch: Batch, error: Discontinuous) -> None:
        """Store the stream's row up to the end of ``batch`` as its first events give it, and drop the rest.

        Raises ``error`` where that is not possible, or too much work.
        """
        self._recomputed += 1
        if self._projection.recompute is None or self._recomputed > MAX_RECOMPUTED:
            raise error
        log.error("%s is computed anew from its first event: %s", error.stream, error)
        # It has rows of this batch, which is not stored
        del self._folds[batch.tp.partition]
        row = await asyncio.to_thread(
            self._projection.recompute, error.stream, self._log(batch.tp.partition, batch.next)
        )
        if row is None:
            raise error
        await self._table.put(batch.tp.partition, {error.stream.encode(): row})
        prefix = error.stream.encode() + b"/"
        batch[:] = [record for record in batch if not (record[1] or b"").startswith(prefix)]

    def _log(self, partition: int, end: int) -> Iterator[Record]:
        """All records before ``end``."""
        for message in read_partition(self._settings, events_topic(self._settings), partition, end=end):
            yield message.offset() or 0, message.key(), message.value()

    async def _start_anew(self, tp: TP, damaged: bytes) -> None:
        """Delete all damaged rows, and let the next worker read the events from the beginning."""
        await cast(Consumer, self._app.consumer).rewind(tp)
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
        cast(Consumer, self._app.consumer).halt(tp)
