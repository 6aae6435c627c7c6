"""What else happens to workers, brokers and topics; the table is exact after each."""

import os
import random
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.store.offsets import end
from schemas.topics import changelog_topic, ensure_topics
from tests.support.brokers import embedded_broker
from tests.support.embedded_kafka import Kafka
from tests.support.projector.event_store import EventStore
from tests.support.projector.table_check import (
    assert_exact,
    expected_rows,
    read_changelog,
    read_topic,
    until_caught_up,
    until_lag,
)
from tests.support.projector.worker_process import crew_of
from tests.support.stores import alter_topic
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    "how",
    ["stop the first", *(pytest.param(how, marks=pytest.mark.slow) for how in ("stop the second", "kill"))],
)
def test_the_table_is_exact_after_a_worker_joins_and_one_leaves(settings, crew, how):
    store = EventStore(settings)
    first = crew.start(0, "batch:20 session:6").until_ready()
    store.append(200, transaction=1, aborted=0.2)
    second = crew.start(1, "batch:20 session:6")
    store.append(200, aborted=0.2)
    second.until_ready()
    store.append(100)
    match how:
        case "stop the second":
            assert second.stop() == 0
        case "stop the first":
            assert first.stop() == 0
        case "kill":
            second.kill()
    store.append(100)
    assert_exact(settings)


def test_the_table_is_exact_after_a_killed_writer_left_transactions_open(settings, crew):
    store, other = EventStore(settings), EventStore(settings)
    store.append(100)
    crew.start().until_ready()
    seen = assert_exact(settings)
    other.leave_open()
    # Nobody sees these while a transaction before them is open
    store.append(100)
    assert expected_rows(settings) == seen
    other.come_back()
    until_caught_up(settings)
    assert assert_exact(settings) != seen


@pytest.mark.slow
def test_the_table_is_exact_after_a_worker_was_frozen_repeatedly(settings, crew):
    store = EventStore(settings)
    chance = random.Random(5)
    # Its threads used each other's event loop when it was refused, and SIGSEGV ended it now and then
    frozen = crew.start(0, "batch:20 session:6 debug").until_ready()
    crew.start(1, "batch:20 session:6").until_ready()
    for _ in range(3):
        store.append(chance.randrange(50, 300), aborted=0.2)
        frozen.freeze()
        store.append(200, aborted=0.2)
        # Longer than its session: the other one has taken everything
        until_caught_up(settings)
        store.append(200, aborted=0.2)
        until_caught_up(settings)
        frozen.thaw()
        # It joins anew, or was in the middle of a write, is refused, and ends
        store.append(100)
        assert_exact(settings)
        if frozen.process.poll() is not None:
            assert frozen.process.returncode == 1, frozen.said()
            frozen = crew.start(0, "batch:20 session:6 debug").until_ready()
    assert read_changelog(settings).went_back == 0
    assert "Non-thread-safe" not in frozen.log.read_text()


@pytest.mark.slow
def test_the_table_is_exact_after_the_changelog_was_compacted(settings, crew):
    quick = {"segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "500"}
    alter_topic(AdminClient(client_config(settings)), changelog_topic(settings), quick)
    store = EventStore(settings, titles=20)
    worker = crew.start(faults="batch:20").until_ready()

    def compacted() -> bool:
        store.append(50, transaction=5)
        until_caught_up(settings)
        kept = sum(message.partition() == 0 for message in read_topic(settings, changelog_topic(settings)))
        return end(settings, changelog_topic(settings))[0] > 5 * kept > 0

    eventually(compacted)
    worker.kill()
    store.append(100)
    crew.start()
    assert_exact(settings)


@pytest.fixture
def own_broker(tmp_path) -> Iterator[Kafka]:
    with embedded_broker(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_table_is_exact_after_a_broker_restart(own_broker, tmp_path, how):
    settings = Settings(kafka=own_broker.bootstrap, partitions=3, data_dir=str(tmp_path / "data"))
    ensure_topics(AdminClient(client_config(settings)), settings)
    store = EventStore(settings)
    with crew_of(settings) as crew:
        crew.start(faults="batch:20").until_ready()
        store.append(300, aborted=0.2)
        own_broker.stop() if how == "stop" else own_broker.kill()
        again = Kafka(own_broker.node, os.environ)
        try:
            store.come_back()
            store.append(300, aborted=0.2)
            until_lag(settings, lambda lag: crew.supervise() and lag == 0)
            assert_exact(settings)
        finally:
            again.kill()
