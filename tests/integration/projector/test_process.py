"""The worker as a process: when it is ready, what it opens, how it ends."""

import json

import psutil
import pytest
from msgspec.structs import replace

from foundation.settings import Settings
from tests.support.projector.event_store import EventStore
from tests.support.projector.table_check import until_caught_up
from tests.support.projector.topic_damage import reset_group


def test_a_worker_becomes_ready_opens_no_port_and_leaves_its_group_on_stop(settings, crew):
    worker = crew.start()
    assert not worker.ready_file.exists()
    worker.until_ready()
    assert worker.ready_file.read_text() == f"{worker.process.pid}\n"
    # Faust would serve HTTP on port 6066
    assert not [c for c in psutil.Process(worker.process.pid).net_connections() if c.status == "LISTEN"]
    EventStore(settings).append(20)
    until_caught_up(settings)
    assert worker.stop() == 0
    # An offset reset need not wait for the session's end, though membership is static
    reset_group(settings, 0)
    for line in worker.log.read_text("utf-8").splitlines():
        assert json.loads(line)["service"] == "projector"


def test_a_killed_worker_resumes_its_partitions(settings, crew):
    """Under its static id, without waiting for the session of the one that was killed."""
    crew.start(faults="session:60").until_ready().kill()
    EventStore(settings).append(20)
    crew.start(faults="session:60")
    until_caught_up(settings)


@pytest.mark.parametrize("fault", ["fail:after-claim", "fail:before-append", "fail:before-append hang"])
def test_a_crashed_agent_ends_the_worker_process(settings, crew, fault):
    EventStore(settings).append(20)
    worker = crew.start(faults=fault)
    assert worker.ended() == 1
    assert "was made to fail" in worker.said()


def test_a_worker_without_topics_exits_and_says_so(broker, crew, tmp_path):
    worker = crew.start(
        settings=Settings(kafka=broker, name="nobody-made-these", data_dir=str(tmp_path / "none"))
    )
    assert worker.ended() == 65
    assert "`library topics create`" in worker.said()


def test_a_worker_refuses_another_partition_count(settings, crew):
    worker = crew.start(settings=replace(settings, partitions=5))
    assert worker.ended() == 65
    assert "has 3 partitions, the settings say 5" in worker.said()


def test_a_worker_without_kafka_exits_and_says_so(settings, crew):
    worker = crew.start(settings=replace(settings, kafka="127.0.0.1:1", deadline=1.0))
    assert worker.ended() == 69
    assert "127.0.0.1:1" in worker.said()
