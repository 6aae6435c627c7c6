"""Batches as the broker stores them, compared with the records that librdkafka gives."""

import logging
import random
from collections.abc import Callable

import pytest
from confluent_kafka import Message

from eventstore.topics import events_topic
from foundation.kafka_clients import KafkaUnavailable
from foundation.settings import Settings
from notary import batches as module
from notary.batches import BatchReader
from notary.event_log import EventLog
from notary.record import MessageRecord, Record
from tests.support.notary_runs import add_titles, checkpoints, notarise, produce_outside
from tests.support.producer.writer_calls import committed_records, foreign_producer

Parts = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


@pytest.fixture
def interleaved(new_settings: Callable[..., Settings]) -> Settings:
    """Transactions of three producers between each other, every other one of them aborted."""
    settings = new_settings(partitions=1)
    topic, chance = events_topic(settings), random.Random(1)
    producers = [foreign_producer(settings, f"{settings.name}-{number}") for number in range(3)]
    open_ones: set[int] = set()
    for number in range(90):
        which = chance.randrange(3)
        producer = producers[which]
        if which not in open_ones:
            producer.begin_transaction()
            open_ones.add(which)
        for part in range(chance.randrange(1, 5)):
            headers: list[tuple[str, str | bytes | None]] = [("part", str(part)), ("none", None)]
            producer.produce(topic, f"value {number}", f"{number}/{part}", 0, timestamp=9, headers=headers)
        # Delivered now, between those of the others
        assert producer.flush(20) == 0
        if chance.random() < 0.4:
            open_ones.discard(which)
            (producer.abort_transaction if chance.random() < 0.5 else producer.commit_transaction)(20)
    for which in open_ones:
        producers[which].abort_transaction(20)
    return settings


def read(settings: Settings, start: int, end: int) -> list[Parts]:
    with BatchReader(settings, events_topic(settings), lambda: None) as reader:
        return [parts(record) for found in reader.read(0, start, end) for record in found.records()]


def parts(record: Record) -> Parts:
    return record.offset, record.timestamp, record.key, record.value, list(record.headers)


def given(settings: Settings) -> list[Parts]:
    messages: list[Message] = committed_records(settings)
    return [parts(MessageRecord.of(message)) for message in messages]


@pytest.mark.parametrize("size", [1, 700, 1 << 20], ids=["one batch", "some batches", "all batches"])
def test_the_committed_records_from_each_offset_on_are_read(
    interleaved: Settings, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(module, "FETCH_BYTES", size)
    end, expected = EventLog(interleaved).committed_ends()[0], given(interleaved)
    assert 20 < len(expected) < end
    for start in range(0, end, 1 if size > 1 else 37):
        assert read(interleaved, start, end) == [record for record in expected if record[0] >= start]


def test_a_damaged_batch_is_not_read(interleaved: Settings) -> None:
    end = EventLog(interleaved).committed_ends()[0]
    with BatchReader(interleaved, events_topic(interleaved), lambda: None) as reader:
        found = next(reader.read(0, 0, end))
    damaged = found.data.replace(b"value", b"valve", 1)
    assert damaged != found.data
    with pytest.raises(KafkaUnavailable, match="is damaged"):
        found._replace(data=damaged).records()


def test_offsets_that_are_gone_are_not_waited_for(interleaved: Settings) -> None:
    end = EventLog(interleaved).committed_ends()[0]
    with pytest.raises(KafkaUnavailable, match="OffsetOutOfRange"):
        read(interleaved, end + 10, end + 20)


def test_without_batches_the_notary_reads_record_by_record(
    new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = new_settings(partitions=1)
    add_titles(settings, range(10))

    def unread(*_: object) -> None:
        raise KafkaUnavailable("the batch at offset 3 is damaged")

    monkeypatch.setattr(module.Batches, "records", unread)
    with caplog.at_level(logging.INFO, "notary"):
        assert notarise(settings).refused == []
    assert "record by record: the batch at offset 3 is damaged" in caplog.text
    assert [one.size for one in checkpoints(settings)] == [10]
    produce_outside(settings, 10)
    assert notarise(settings).refused == [0]
