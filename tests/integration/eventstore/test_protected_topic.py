"""An event can't be deleted through Kafka's API by a program that may only write."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
)

from eventstore.topics import (
    COMPACTION_LAG,
    COMPACTION_LAG_MS,
    Unprotected,
    check_protection,
    events_topic,
    protect_events,
)
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.checks.doctor import topics
from library.checks.finding import Grade
from library.commands.topics import create
from library.store.offsets import high_watermarks
from library.system.members import parts_of
from tests.support.library.command_runner import run_command
from tests.support.producer.writer_calls import committed_records
from tests.support.stores import alter_topic
from tests.support.waiting import eventually

WEEK_MS = 7 * 24 * 3600 * 1000
EAGER = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
"""Kafka compacts as soon as it may."""


def create_store(broker: str, name: str, **config: str) -> Settings:
    """A system with one partition whose event store has this configuration."""
    settings = Settings(kafka=broker, name=name, partitions=1)
    topic = events_topic(settings)
    admin = AdminClient(client_config(settings))
    admin.create_topics([NewTopic(topic, 1, 1, config=EAGER | config)])[topic].result(20)
    eventually(lambda: topic in admin.list_topics(timeout=5).topics)
    return settings


def write(settings: Settings, value: bytes) -> None:
    producer = Producer(client_config(settings))
    for key in (b"9781593275846/1", b"9781593275846/2"):
        producer.produce(events_topic(settings), value, key, 0)
    assert producer.flush(20) == 0


def values(settings: Settings) -> list[bytes | None]:
    return [message.value() for message in committed_records(settings)]


@pytest.mark.timeout(180)
def test_a_key_that_is_written_again_does_not_remove_the_event(broker: str, tmp_path):
    kept = create_store(broker, f"{tmp_path.name}-kept", **{COMPACTION_LAG: str(COMPACTION_LAG_MS)})
    control = create_store(broker, f"{tmp_path.name}-control", **{COMPACTION_LAG: "0"})
    for settings in (kept, control):
        write(settings, b"event")
        write(settings, b"forgery")

    def compacted() -> bool:
        # Kafka compacts no active segment: a new record begins another
        for settings in (kept, control):
            write(settings, b"later")
        return b"event" not in values(control)

    eventually(compacted, pause=1)
    assert values(kept)[:4] == [b"event", b"event", b"forgery", b"forgery"]


def test_records_of_the_event_store_can_not_be_deleted(new_settings: Callable[..., Settings]):
    settings = new_settings(partitions=1)
    write(settings, b"event")
    admin, place = AdminClient(client_config(settings)), TopicPartition(events_topic(settings), 0, 1)
    with pytest.raises(KafkaException) as refused:
        admin.delete_records([place])[place].result(20)
    assert refused.value.args[0].code() == KafkaError.POLICY_VIOLATION
    assert high_watermarks(settings, events_topic(settings)) == {0: 2}
    assert values(settings) == [b"event", b"event"]


def test_an_event_store_of_an_older_release_is_altered_and_the_change_is_printed(broker: str, tmp_path):
    settings = create_store(broker, tmp_path.name, **{COMPACTION_LAG: str(WEEK_MS)})
    admin = AdminClient(client_config(settings))
    assert run_command(create, settings).stderr.splitlines()[0] == (
        f"topic {events_topic(settings)} has {COMPACTION_LAG}={WEEK_MS}: a program that writes the key of "
        f"an older event again deletes that event. It is {COMPACTION_LAG_MS} (100 years) now"
    )
    eventually(lambda: topics(admin, settings).grade is Grade.FINE)
    assert COMPACTION_LAG not in run_command(create, settings).stderr


def test_up_alters_it_and_logs_the_change(broker: str, tmp_path, caplog: pytest.LogCaptureFixture):
    settings = create_store(broker, tmp_path.name, **{COMPACTION_LAG: str(WEEK_MS)})
    parts_of(settings, embedded=False).topics()
    assert f"It is {COMPACTION_LAG_MS} (100 years) now" in caplog.text
    admin = AdminClient(client_config(settings))
    eventually(lambda: topics(admin, settings).grade is Grade.FINE)


def test_doctor_reports_an_event_store_that_compaction_can_shrink(
    new_settings: Callable[..., Settings],
):
    settings = new_settings(partitions=1)
    admin, name = AdminClient(client_config(settings)), events_topic(settings)
    alter_topic(admin, name, {COMPACTION_LAG: str(WEEK_MS)})
    found = eventually(lambda: (f := topics(admin, settings)).grade is Grade.BROKEN and f)
    assert f"{COMPACTION_LAG}={WEEK_MS}" in found.found
    assert found.fix == "library topics create"


def test_a_user_that_may_not_alter_the_topic_learns_the_command(
    new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
):
    settings = new_settings(partitions=1)
    admin = AdminClient(client_config(settings))
    alter_topic(admin, events_topic(settings), {COMPACTION_LAG: str(WEEK_MS)})

    def unprotected() -> bool:
        try:
            check_protection(admin, settings)
        except Unprotected:
            return True
        return False

    eventually(unprotected)
    denied = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    monkeypatch.setattr(
        admin, "incremental_alter_configs", lambda resources, **_: {resources[0]: Denied(denied)}
    )
    with pytest.raises(Unprotected, match=rf"library kafka configs .* --add-config {COMPACTION_LAG}="):
        protect_events(admin, settings)


class Denied:
    """A future with an error."""

    def __init__(self, error: KafkaException) -> None:
        self._error = error

    def result(self) -> None:
        raise self._error
