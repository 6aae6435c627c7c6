"""The Faust app: one agent that folds the event store into one table."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import faust
from faust import stores, transport
from faust.types import TP

from eventstore.topics import Identity, events_topic
from foundation.settings import Settings
from projector.batched_faust.batch import Batch
from projector.batched_faust.consumer import Consumer
from projector.batched_faust.store import MEMORY
from projector.batched_faust.table import Table, Tables
from projector.ending import exit_code
from projector.fold.batch_fold import PartitionFold
from projector.metrics import Metrics
from projector.security import broker_credentials
from schemas.topics import INVENTORY, changelog_topic, projector_group

log = logging.getLogger(__name__)

BATCH = 20_000
"""Events in a batch, at most: the more events of a title come together, the fewer rows are written."""
AT_ONCE = 2_000
"""Events that are folded before the event loop gets a turn: it has heartbeats to send."""
FETCH = 8 << 20
"""Bytes of a partition in a fetch, at most: enough for a batch."""
WAITING = 2
"""Batches that wait for the agent. (Faust counts messages; its default of 4,096 would fill the memory.)"""
LARGEST = 1_000_000
"""Bytes of a row, and of a batch of rows: what a broker takes by default, less what surrounds them."""
STOP_SECONDS = 10.0


def end_within(code: int, seconds: float = STOP_SECONDS) -> None:
    """End this process with ``code``, unless it has ended by itself in ``seconds``."""
    watchdog = threading.Timer(seconds, os._exit, [code])
    watchdog.daemon = True
    watchdog.start()


class App(faust.App):
    """Ends for certain after a crash, with an exit code that says whether a restart helps."""

    mundane_level = "debug"

    exit_code: int | None = None
    metrics: Metrics

    def _crash(self, reason: BaseException) -> None:
        # Only the first reason counts: Faust restarts the agent, and its next batch fails too
        if self.exit_code is None:
            self.exit_code = exit_code(reason)
            log.error("the worker ends: %s: %s", type(reason).__name__, reason)
            # A stop in the middle of a rebalance can hang for ever, and a hanging member keeps its partitions
            end_within(self.exit_code)
        super()._crash(reason)


def build(settings: Settings, index: int, identify: Callable[[], Identity]) -> App:
    """Worker ``index`` of the projector; each needs an index of its own. Starts nothing.

    ``identify`` says what cluster and topics these are; it may block.
    """
    transport.drivers.TRANSPORTS.aliases["kafka+batch"] = "projector.batched_faust.transport:Transport"
    stores.STORES.aliases["rocksdb+batch"] = "projector.batched_faust.store:Store"
    app = App(
        projector_group(settings),
        broker=[f"kafka+batch://{server}" for server in settings.kafka.split(",")],
        broker_credentials=broker_credentials(settings),
        store="rocksdb+batch://",
        # Faust expands format fields in it
        datadir=str(Path(settings.data_dir) / f"projector-{index}").replace("{", "{{").replace("}", "}}"),
        Table=Table,
        TableManager=Tables,
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        # A worker that is killed and comes back under the same id takes its partitions without a rebalance
        consumer_group_instance_id=f"{projector_group(settings)}-{index}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=0.5,
        broker_commit_interval=0.25,
        broker_max_poll_records=BATCH,
        stream_buffer_maxsize=WAITING,
        stream_wait_empty=True,
        producer_linger=0,
        producer_max_batch_size=LARGEST,
        producer_max_request_size=LARGEST + 4096,
        producer_request_timeout=60.0,
    )
    table: Table = cast(Any, app).Table(
        INVENTORY.name, key_type=bytes, value_type=bytes, partitions=settings.partitions, identify=identify,
        options={"driver": "rocksdict", **MEMORY},
    )  # fmt: skip
    assert table.changelog_topic_name == changelog_topic(settings)
    source = app.topic(events_topic(settings), key_type=bytes, value_type=bytes, value_serializer="raw")
    app.metrics = Metrics(lambda: cast(Consumer, app.consumer).progress())
    projection = Projection(app, table)
    app.on_partitions_assigned.connect(projection.forget, weak=False)
    app.agent(source, name="project")(projection.run)
    return app


class Projection:
    """What the agent does with each batch."""

    def __init__(self, app: App, table: Table) -> None:
        self._app = app
        self._table = table
        self._folds: dict[int, PartitionFold] = {}

    async def forget(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Partitions were assigned anew: others may have written their rows since."""
        self._folds.clear()

    async def run(self, stream: faust.StreamT[Any]) -> None:
        """Fold what comes into the table; the first error ends the worker."""
        async for batch in stream:
            try:
                await self._project(batch)
            except Exception as error:
                # Faust would go on with the next batch
                await self._app.crash(error)
                raise

    async def _project(self, batch: Batch) -> None:
        begun = time.monotonic()
        partition = batch.tp.partition
        fold = self._folds.get(partition)
        if fold is None:
            fold = self._folds[partition] = PartitionFold(lambda key: self._table.store.read(partition, key))
        for start in range(0, len(batch), AT_ONCE):
            if (stopped := fold.add(batch[start : start + AT_ONCE])) is not None:
                batch.end_before(stopped.offset)
                self._halt(batch.tp, stopped.offset, stopped.reason)
                break
            await asyncio.sleep(0)
        if batch.next != batch.begin:
            rows = fold.take()
            await self._table.write(batch, rows)
            self._app.metrics.batch(len(batch), len(rows), time.monotonic() - begun)

    def _halt(self, tp: TP, offset: int, reason: Exception) -> None:
        log.error(
            "partition %s is stopped at offset %s, the others go on: %s. Something else than this program "
            "wrote there: `library doctor` shows the record",
            tp.partition, offset, reason,
        )  # fmt: skip
        cast(Consumer, self._app.consumer).halt(tp)
