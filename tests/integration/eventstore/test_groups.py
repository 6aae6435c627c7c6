"""Groups are asked while their coordinator comes, goes and comes again."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.groups import GroupDescriber, GroupOffsets, committed_offsets, committed_offsets_by_group
from eventstore.log_offsets import LogOffsets
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from library.process.die_with_parent import dying_with_me
from schemas.topics import ensure_topics
from tests.support import late_answer
from tests.support.brokers import embedded_broker
from tests.support.embedded_kafka import Kafka
from tests.support.freezing import freeze, thaw
from tests.support.waiting import eventually

GROUPS = [f"readers-{n}" for n in range(8)]
REQUEST_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that tests may kill and start again."""
    with embedded_broker(tmp_path_factory.mktemp("killed") / "kafka") as running:
        yield running


def read_offsets(settings: Settings, answers: Any, stop: Any) -> None:
    """Count the answers until ``stop`` is set. In a process of its own: the client is one in C."""
    topic, ends = events_topic(settings), LogOffsets(settings)
    while not stop.is_set():
        try:
            found = committed_offsets_by_group(settings, topic, GROUPS, REQUEST_TIMEOUT_S)
            end = ends.ends([(topic, 0), (topic, 1)], REQUEST_TIMEOUT_S)
        except KafkaException:
            continue
        if len(found) == len(GROUPS) and end == {(topic, 0): 0, (topic, 1): 0}:
            answers.value += 1


def commit(settings: Settings, group: str, offsets: dict[int, int]) -> None:
    consumer = Consumer(reading_config(settings) | {"group.id": group})
    try:
        topic = events_topic(settings)
        consumer.commit(offsets=[TopicPartition(topic, p, n) for p, n in offsets.items()], asynchronous=False)
    finally:
        consumer.close()


@pytest.mark.slow
def test_offsets_can_be_read_from_a_new_broker_and_while_it_is_killed_and_restarted(
    kafka: Kafka, tmp_path: Path
):
    context = get_context("spawn")
    answers, stop = context.Value("i", 0), context.Event()
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


def test_a_process_survives_a_description_that_comes_while_it_is_stalled_after_the_timeout(kafka: Kafka):
    command = [sys.executable, "-m", "tests.support.late_answer", kafka.bootstrap]
    with subprocess.Popen(
        dying_with_me(command), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "warm\n"
        freeze(kafka.process.pid)
        try:
            process.stdin.write("ask\n")
            process.stdin.flush()
            assert process.stdout.readline() == "asked\n"
            given_up_at = time.monotonic() + 2 * late_answer.REQUEST_TIMEOUT_S
            eventually(lambda: time.monotonic() > given_up_at)
        finally:
            thaw(kafka.process.pid)
        # Others are answered again: then the late answer has come, too
        describer = GroupDescriber(Settings(kafka=kafka.bootstrap))
        eventually(lambda: late_answer.described(describer, "late", 10))
        process.stdin.close()
        assert process.wait(60) == 0


def test_offsets_are_those_of_one_topic_and_reading_them_joins_nothing(settings: Settings):
    topic, admin = events_topic(settings), AdminClient(client_config(settings))
    group = f"{settings.name}-readers"
    commit(settings, group, {0: 3, 1: 0})
    with closing(GroupOffsets(settings, topic, group)) as offsets:
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
