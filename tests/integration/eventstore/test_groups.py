"""Offsets of groups are read while their coordinator comes, goes and comes again."""

import os
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.groups import GroupOffsets, committed_offsets, committed_offsets_by_group
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from schemas.topics import ensure_topics
from tests.support.brokers import embedded_broker
from tests.support.embedded_kafka import Kafka
from tests.support.waiting import eventually

GROUPS = [f"readers-{n}" for n in range(8)]
REQUEST_TIMEOUT_S = 2.0


def read_offsets(settings: Settings, answers: Any, stop: Any) -> None:
    """Count the answers until ``stop`` is set. In a process of its own: the client is one in C."""
    while not stop.is_set():
        try:
            found = committed_offsets_by_group(settings, events_topic(settings), GROUPS, REQUEST_TIMEOUT_S)
        except KafkaException:
            continue
        if len(found) == len(GROUPS):
            answers.value += 1


def commit(settings: Settings, group: str, offsets: dict[int, int]) -> None:
    consumer = Consumer(reading_config(settings) | {"group.id": group})
    try:
        topic = events_topic(settings)
        consumer.commit(offsets=[TopicPartition(topic, p, n) for p, n in offsets.items()], asynchronous=False)
    finally:
        consumer.close()


def test_offsets_can_be_read_from_a_new_broker_and_while_it_is_killed_and_restarted(tmp_path: Path):
    context = get_context("spawn")
    answers, stop = context.Value("i", 0), context.Event()
    with embedded_broker(tmp_path / "kafka") as kafka:
        settings = Settings(kafka=kafka.bootstrap, partitions=2, data_dir=str(tmp_path))
        admin = AdminClient(client_config(settings))
        ensure_topics(admin, settings)
        reader = context.Process(target=read_offsets, args=(settings, answers, stop))
        reader.start()
        try:
            for _ in range(2):
                before = answers.value
                eventually(lambda before=before: answers.value > before or not reader.is_alive())
                kafka.process.kill()
                kafka.process.wait()
                kafka.process = Kafka(kafka.node, os.environ).process
            before = answers.value
            eventually(lambda: answers.value > before or not reader.is_alive())
        finally:
            stop.set()
            reader.join(60)
            reader.kill()
    assert reader.exitcode == 0


def test_offsets_are_those_of_one_topic_and_reading_them_joins_nothing(settings: Settings):
    topic, admin = events_topic(settings), AdminClient(client_config(settings))
    group = f"{settings.name}-readers"
    commit(settings, group, {0: 3, 1: 0})
    with GroupOffsets(settings, topic, group) as offsets:
        assert offsets.read(10) == {0: 3, 1: 0}
        (description,) = admin.describe_consumer_groups([group]).values()
        assert description.result().members == []
        commit(settings, group, {0: 4})
        assert offsets.read(10) == {0: 4, 1: 0}
    assert committed_offsets(settings, topic, f"{group}-unknown", 10) == {}


def test_a_group_that_cannot_be_asked_is_left_out_unless_it_is_the_only_one(settings: Settings):
    topic, group = events_topic(settings), f"{settings.name}-readers"
    commit(settings, group, {0: 3})
    assert committed_offsets_by_group(settings, topic, ["", group], 10) == {group: {0: 3}}
    with pytest.raises(KafkaException):
        committed_offsets_by_group(settings, topic, [""], 10)
    assert committed_offsets_by_group(settings, topic, [], 10) == {}
