"""Whatever broker the tests run on, it does what the system needs of one."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from tests.support.brokers import CHOICE, broker_for_tests
from tests.support.waiting import eventually


def test_the_test_broker_commits_and_returns_a_transaction(settings: Settings) -> None:
    topic = events_topic(settings)
    producer = Producer(client_config(settings) | {"transactional.id": f"{settings.name}-0"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"event", b"key", partition=0)
    producer.commit_transaction(30)
    reader = Consumer(reading_config(settings) | {"group.id": settings.name})
    reader.assign([TopicPartition(topic, 0, 0)])
    # What was just committed is seen a moment later; until then the reader is told that it is at the end
    eventually(
        lambda: (told := reader.poll(1)) is not None and told.error() is None and told.value() == b"event"
    )
    reader.close()


def test_tests_can_use_a_broker_that_runs_already(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CHOICE, "127.0.0.1:19092")
    with broker_for_tests(tmp_path) as found:
        assert found.bootstrap == "127.0.0.1:19092"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(CHOICE, "podman")
    with pytest.raises(pytest.UsageError, match="docker, embedded or HOST:PORT"), broker_for_tests(tmp_path):
        pass
