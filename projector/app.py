"""The Faust app of a projection: one agent that folds the event store into one table."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import faust
from aiokafka import conn
from faust import stores, transport

from eventstore.topics import Identity, events_topic
from foundation.settings import Settings
from projector.agent import CHECK_INTERVAL_S, Agent
from projector.batched_faust.connection import Connection
from projector.batched_faust.consumer import Consumer
from projector.batched_faust.crash import CrashInOwnLoop
from projector.batched_faust.fetching import FETCH_MAX_BYTES
from projector.batched_faust.store import MEMORY
from projector.batched_faust.table import Table, Tables
from projector.ending import exit_code
from projector.metrics import Metrics
from projector.projection import Projection
from projector.security import broker_credentials

log = logging.getLogger(__name__)

BATCH_MAX_EVENTS = 20_000
"""The more events of a row come together, the fewer rows are written."""
QUEUED_BATCHES = 2
"""Batches that wait for the agent. Faust counts messages; its default of 4,096 would fill the memory."""
ROW_MAX_BYTES = 1_000_000
"""A row, and a batch of rows: a broker's default maximum, less the overhead."""
STOP_TIMEOUT_S = 10.0
TOPIC_CHECK_INTERVAL_S = 10.0
"""A worker notices within this time that somebody has added partitions or replaced a topic."""


def end_within(code: int, seconds: float = STOP_TIMEOUT_S) -> None:
    """End this process with ``code`` unless it ends by itself within ``seconds``."""
    watchdog = threading.Timer(seconds, os._exit, [code])
    watchdog.daemon = True
    watchdog.start()


class App(CrashInOwnLoop, faust.App):
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


def _literal(path: Path) -> str:
    """The path as Faust takes it: Faust expands format fields in it."""
    return str(path).replace("{", "{{").replace("}", "}}")


def build(settings: Settings, index: int, identify: Callable[[], Identity], projection: Projection) -> App:
    """Worker ``index`` of a projection; each worker needs an index of its own. Starts nothing.

    ``identify`` returns the current identity of cluster and topics; it may block.
    """
    table_name = projection.table
    transport.drivers.TRANSPORTS.aliases["kafka+batch"] = "projector.batched_faust.transport:Transport"
    conn.AIOKafkaConnection = Connection
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
        consumer_max_fetch_size=FETCH_MAX_BYTES,
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
    agent = Agent(settings, app, table, projection, app.metrics)
    table.settle = agent.settle
    app.on_partitions_revoked.connect(agent.forget, weak=False)
    app.on_partitions_assigned.connect(agent.forget, weak=False)
    app.timer(CHECK_INTERVAL_S)(agent.write_due)
    app.agent(source, name="project")(agent.run)
    return app
