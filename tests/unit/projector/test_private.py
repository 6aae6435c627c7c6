"""What the projector uses that is not public. A new release of these libraries has to pass here first."""

import ast
import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, conn
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState, TopicPartitionState
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.sender import AddPartitionsToTxnHandler
from faust.app.base import App
from faust.stores import STORES, rocksdb
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import drivers
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from faust.worker import Worker
from mode import Service

from projector import app, worker
from projector.batched_faust import changelog, connection, consumer, fetching, store, table

OURS: list[type] = [
    app.App,
    changelog.Producer,
    connection.Connection,
    consumer.Consumer,
    fetching.ConsumerThread,
    store.Store,
    table.Table,
    table.Tables,
    worker.Worker,
]


@pytest.mark.parametrize(
    ("name", "pinned"),
    [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0"), ("mode-streaming", "0.7.1")],
)
def test_faust_and_aiokafka_have_the_versions_that_were_reviewed(name, pinned):
    assert version(name) == pinned, (
        f"{name} {version(name)}: read what changed, run tests/integration/projector with and without "
        "-m slow, and only then change the pin here and in pyproject.toml"
    )


CALLED: list[tuple[type, str]] = [
    (driver.AIOKafkaConsumerThread, "_create_worker_consumer _fetch_records _commit _ensure_consumer"),
    (
        Consumer,
        "_getmany _wait_next_records _to_message _add_gap _filter_tps_with_pending_acks _new_offset",
    ),
    (
        Consumer,
        "_should_commit _is_changelog_tp getmany ack perform_seek resume_partitions stop_flow wait_empty",
    ),
    (driver.Consumer, "_new_consumer_thread"),
    (driver.Producer, "_settings_extra _new_producer create_topic"),
    (
        rocksdb.Store,
        "_open_for_partition _db_for_partition partition_path apply_changelog_batch offset_key",
    ),
    (TableManager, "_update_channels on_start"),
    (Collection, "apply_changelog_batch changelog_topic_name persisted_offset"),
    (Recovery, "on_recovery_completed _restart_recovery _slurp_changelogs"),
    (App, "_crash on_rebalance_start"),
    (Service, "_crash crash mundane_level"),
    (Fetcher, "_create_fetch_waiter fetched_records"),
    (SubscriptionState, "fetch_context reassignment_in_progress wait_for_assignment subscription"),
    (FetchResult, "has_more getall"),
    (PartitionRecords, "_consumer_record _unpack_records"),
    (TopicPartitionState, "consumed_to"),
    (AIOKafkaConnection, "_create_reader_task _handle_frame _on_read_task_error"),
    (AIOKafkaConsumer, "assignment beginning_offsets end_offsets committed pause seek"),
    (AIOKafkaProducer, "create_batch send_batch transaction"),
    (BatchBuilder, "append record_count"),
    (Worker, "install_signal_handlers"),
]


@pytest.mark.parametrize(("owner", "names"), CALLED)
def test_private_methods_that_we_use_exist(owner, names):
    missing = [name for name in names.split() if not hasattr(owner, name)]
    assert missing == [], f"{owner.__qualname__} lost {missing}"


READ: list[tuple[type, str]] = [
    (
        AIOKafkaConsumer,
        "_isolation_level _fetch_max_wait_ms _fetch_max_bytes _closed _fetcher _coordinator _subscription",
    ),
    (AIOKafkaConnection, "_protocol _writer _reader"),
    (Fetcher, "_subscriptions _records _closed _fetch_max_bytes"),
    (FetchResult, "_partition_records"),
    (TopicPartitionState, "_position"),
    (GroupCoordinator, "_group_instance_id"),
    (driver.AIOKafkaConsumerThread, "_consumer"),
    (Consumer, "_unacked_messages _n_acked _waiting_for_ack _read_offset _committed_offset"),
    (Consumer, "_buffered_partitions _paused_partitions flow_active _thread"),
    (rocksdb.Store, "_dbs"),
]


@pytest.mark.parametrize(("owner", "names"), READ)
def test_private_attributes_that_we_use_exist(owner, names):
    modules = {
        part.__module__ for part in owner.__mro__ if part.__module__.startswith(("faust.", "aiokafka."))
    }
    source = "".join(inspect.getsource(sys.modules[module]) for module in modules)
    missing = [name for name in names.split() if f"self.{name}" not in source]
    assert missing == [], f"{owner.__qualname__} lost {missing}"


def test_private_code_that_we_rely_on_is_unchanged():
    # Read when the consumer starts, so that they can be set after it was made
    start = inspect.getsource(AIOKafkaConsumer.start)
    assert "isolation_level=self._isolation_level" in start
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in start
    assert "fetch_max_bytes=self._fetch_max_bytes" in start
    # Read for each request, so that it can be set later
    assert "self._fetch_max_bytes" in inspect.getsource(Fetcher._get_actions_per_node)
    # Looked up in its module for each connection
    assert "conn = AIOKafkaConnection(" in inspect.getsource(conn.create_conn)
    # Its reader is made when the streams are there, and then only asked whether it is done, and cancelled
    connect = inspect.getsource(AIOKafkaConnection.connect)
    assert connect.index("self._protocol = reader") < connect.index("self._create_reader_task()")
    assert inspect.getsource(AIOKafkaConnection).count("self._read_task.") == 2
    # Looked up on the instance for each record
    assert "self._consumer_record(tp, record)" in inspect.getsource(PartitionRecords._unpack_records)
    # Nothing is awaited on the way to what was fetched
    fetched = inspect.getsource(Fetcher.fetched_records)
    assert fetched.index("if drained or not timeout") < fetched.index("_create_fetch_waiter")
    assert fetched.count("await ") == 2
    # Read for each request, so that it can be set later
    assert "return BACKOFF_OVERRIDE" in inspect.getsource(AddPartitionsToTxnHandler.handle_response)
    # After recovery: resume, seek, and only then let it flow
    completed = inspect.getsource(Recovery.on_recovery_completed)
    steps = ["consumer.resume_partitions", "consumer.perform_seek", "consumer.resume_flow"]
    assert sorted(steps, key=completed.index) == steps
    # Transport and store are found by the scheme of their URL
    assert isinstance(drivers.TRANSPORTS.aliases, dict)
    assert isinstance(STORES.aliases, dict)


def test_every_private_attribute_we_use_is_listed():
    named = {name for _, names in [*CALLED, *READ] for name in names.split()}
    used, own = _overridden(), set()
    for node in _nodes():
        match node:
            case ast.Attribute(ast.Name("os"), _):
                # os._exit is documented
                pass
            case ast.Attribute(ast.Name("self"), name, ast.Store()):
                own.add(name)
            case ast.Attribute(_, name):
                used.add(name)
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                own.add(name)
    own -= _overridden()
    private = {name for name in used - own if name.startswith("_") and not name.endswith("__")}
    assert private - named == set()
    assert {"_position", "_getmany", "_dbs"} <= private


def _overridden() -> set[str]:
    """What the projector's classes have in place of something of theirs; also by chance, after an upgrade."""
    return {
        name
        for ours in OURS
        for name in vars(ours).keys() - {"_abc_impl"}
        if any(hasattr(base, name) for base in ours.__mro__[1:] if base is not object)
    }


def _nodes() -> Iterator[ast.AST]:
    """Everything that the projector's source says."""
    for path in Path(changelog.__file__).parent.glob("*.py"):
        yield from ast.walk(ast.parse(path.read_text("utf-8")))
