"""Somebody changes the configuration of a topic of a running system: doctor and topics create report it."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import (
    AdminClient,
    NewPartitions,
)

from eventstore.topics import WrongTopic, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.checks.finding import Grade
from library.checks.topic_settings import _faults, topic_settings
from library.commands.topics import create
from schemas.topics import changelog_topic, check_topics
from tests.support.library.command_runner import run_command
from tests.support.stores import alter_topic, delete_topics
from tests.support.waiting import eventually

CHANGES = [
    (events_topic, "max.message.bytes", "5000", Grade.BROKEN),
    (events_topic, "message.timestamp.type", "LogAppendTime", Grade.BROKEN),
    (changelog_topic, "max.message.bytes", "5000", Grade.BROKEN),
    (changelog_topic, "cleanup.policy", "delete", Grade.BROKEN),
    (changelog_topic, "cleanup.policy", "compact,delete", Grade.BROKEN),
    (changelog_topic, "min.compaction.lag.ms", str(10**12), Grade.WARNING),
]


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    return new_settings(partitions=2)


def test_every_changed_setting_is_reported_with_the_command_that_changes_it_back(settings: Settings):
    admin = AdminClient(client_config(settings))
    (fine,) = topic_settings(admin, settings)
    assert fine.grade is Grade.FINE
    for topic_of, name, value, grade in CHANGES:
        topic = topic_of(settings)
        alter_topic(admin, topic, {name: value})
        (found,) = eventually(lambda: [f for f in topic_settings(admin, settings) if f.fix])
        assert (found.grade, f"topic {topic} has {name}={value}: " in found.found) == (grade, True)
        assert found.fix in run_command(create, settings).stderr
        *_, right = found.fix.rpartition("=")
        assert f"--entity-name {topic} --add-config {name}=" in found.fix
        alter_topic(admin, topic, {name: right})
        eventually(lambda: all(f.grade is Grade.FINE for f in topic_settings(admin, settings)))


@pytest.mark.parametrize(
    ("replicas", "least", "graded"),
    [(1, "1", None), (1, "2", None), (3, "2", None), (3, "1", Grade.WARNING), (3, "3", Grade.WARNING)],
)
def test_replicas_that_must_acknowledge_are_neither_one_nor_all_of_several(
    replicas: int, least: str, graded: Grade | None
):
    values = {
        "max.message.bytes": "1048588", "min.insync.replicas": least, "message.timestamp.type": "CreateTime",
    }  # fmt: skip
    assert [fault.grade for fault in _faults("events", values, replicas, True)] == [graded] * bool(graded)


def test_a_changelog_with_added_partitions_is_made_anew_and_no_event_is_in_doubt(settings: Settings):
    admin, topic = AdminClient(client_config(settings)), changelog_topic(settings)
    admin.create_partitions([NewPartitions(topic, settings.partitions + 1)])[topic].result(20)

    def wrong() -> WrongTopic:
        with pytest.raises(WrongTopic) as found:
            check_topics(admin, settings)
        return found.value

    found = eventually(wrong)
    assert found.fix == f"library kafka topics --delete --topic {topic}"
    assert "backup" not in str(found)
    delete_topics(settings, topic)
    assert run_command(create, settings).exit_code == 0
    check_topics(admin, settings)
