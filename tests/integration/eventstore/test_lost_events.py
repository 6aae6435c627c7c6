"""A topic that was emptied, or that takes no events any more, under a running writer."""

import logging
from collections.abc import Callable
from typing import NoReturn

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    ResourceType,
)

from eventstore.append.writer import Writer
from eventstore.state.outcomes import OutcomeUnknown
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook
from producer.writers import writer_of
from tests.support.producer.writer_calls import ADD, ISBN, OTHER, accepted, command, event_types, run
from tests.support.stores import alter_topic, empty_topics
from tests.support.waiting import eventually


@pytest.fixture
def store(new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("eventstore.append.catch_up.PATIENCE_S", 0.3)
    return new_settings(partitions=1)


def reason(writer: Writer, deadline_s: float = 20) -> str:
    (outcome,) = writer.execute([command(BorrowBook(ISBN, "ann"))], deadline_s)
    assert isinstance(outcome, OutcomeUnknown), outcome
    assert not outcome.sent
    return outcome.reason


def test_a_running_writer_refuses_a_store_that_was_emptied_and_reports_it_once(
    store: Settings, caplog: pytest.LogCaptureFixture
):
    writer = writer_of(store, 0)
    run(writer, ADD, BorrowBook(ISBN, "eve"))
    empty_topics(store, events_topic(store))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            assert "the topic was deleted and created again. Restore it from a backup" in reason(writer)
    assert len(caplog.records) == 1
    checked = writer.check(20)
    assert isinstance(checked, OutcomeUnknown)
    assert "events were lost" in checked.reason
    assert event_types(store) == []
    # Whoever has restored it, or wants it empty, starts another process
    fresh = writer_of(store, 0)
    accepted(run(fresh, ADD)[0])
    fresh.close()
    writer.close()


def test_a_running_writer_continues_once_the_events_are_there_again(store: Settings):
    writer = writer_of(store, 0)
    run(writer, ADD, BorrowBook(ISBN, "eve"))
    empty_topics(store, events_topic(store))
    reason(writer)
    restored = writer_of(store, 0)
    run(restored, ADD, BorrowBook(ISBN, "eve"), AddBook(OTHER, "Another title"))
    restored.close()
    accepted(run(writer, BorrowBook(ISBN, "ann"))[0])
    assert event_types(store)[-1] == "BookBorrowed"
    writer.close()


def test_a_topic_that_takes_no_record_of_this_size_is_named_at_once(
    store: Settings, monkeypatch: pytest.MonkeyPatch
):
    writer = writer_of(store, 0)
    run(writer, ADD)
    topic = events_topic(store)
    admin = AdminClient(client_config(store))
    alter_topic(admin, topic, {"max.message.bytes": "100"})
    described = ConfigResource(ResourceType.TOPIC, topic)
    eventually(
        lambda: admin.describe_configs([described])[described].result()["max.message.bytes"].value == "100"
    )

    def never(*_: object) -> NoReturn:
        raise AssertionError("a retry would end the same way")

    monkeypatch.setattr(writer, "_back_off", never)
    assert "MSG_SIZE_TOO_LARGE" in reason(writer)
    writer.close()
