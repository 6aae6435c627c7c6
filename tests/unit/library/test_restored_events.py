"""A restore that breaks off ends its transactions: a producer dropped in one can abort the process."""

from collections import Counter
from collections.abc import Iterator
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from library.commands.restored_events import write_missing
from library.store.backup_file import Record


class RecordedProducer:
    """Notes what is done with its transactions; a commit fails with ``error``."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self._error = error

    def begin_transaction(self) -> None:
        self.calls.append("begin")

    def produce(self, *_: object, **__: object) -> None:
        self.calls.append("produce")

    def commit_transaction(self) -> None:
        self.calls.append("commit")
        if self._error:
            raise self._error

    def abort_transaction(self, timeout_s: float) -> None:
        self.calls.append("abort")


def in_partition(partition: int) -> Record:
    """Its key names no title: such a record keeps its partition."""
    return Record(partition, 0, 1, b"key", b"value", [])


def write(writers: list[RecordedProducer], records: Iterator[Record]) -> None:
    write_missing("events", cast(list[Producer], writers), records, Counter())


def test_an_interruption_aborts_the_transaction_of_each_partition_that_has_one():
    def interrupted() -> Iterator[Record]:
        yield in_partition(0)
        yield in_partition(2)
        raise KeyboardInterrupt

    writers = [RecordedProducer() for _ in range(3)]
    with pytest.raises(KeyboardInterrupt):
        write(writers, interrupted())
    assert [writer.calls for writer in writers] == [
        ["begin", "produce", "abort"],
        [],
        ["begin", "produce", "abort"],
    ]


def test_a_commit_that_fails_aborts_the_transaction():
    away = KafkaException(KafkaError(KafkaError._TRANSPORT))
    writer = RecordedProducer(away)
    with pytest.raises(KafkaException):
        write([writer], iter([in_partition(0)]))
    assert writer.calls == ["begin", "produce", "commit", "abort"]


def test_a_complete_restore_aborts_nothing():
    writer = RecordedProducer()
    write([writer], iter([in_partition(0)]))
    assert writer.calls == ["begin", "produce", "commit"]
