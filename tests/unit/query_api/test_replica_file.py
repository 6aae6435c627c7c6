"""The follower's file without Kafka: a damaged replica is given up at once, a locked one is kept."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from query_api.following.follower import Follower
from query_api.replica.replica import FILE
from schemas.events import BookAdded
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START
from tests.support.waiting import eventually


class UnreachableKafka:
    """A source whose Kafka never answers."""

    partitions = 4

    def identify(self, timeout: float) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def why(self, error: Exception) -> str:
        return "Kafka does not answer"


@contextmanager
def following(folder: Path) -> Iterator[Follower]:
    source: Any = UnreachableKafka()
    follower = Follower(source, folder, lambda _: None)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A closed replica."""
    stock = ApiWithoutKafka(tmp_path, [BookAdded(ISBNS[0], "T", "A", 1, START)])
    stock.replica.checkpoint()
    stock.replica.close()
    return tmp_path / FILE


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(statement)


def test_a_sound_replica_answers_without_kafka(file: Path):
    with following(file.parent) as follower:
        eventually(lambda: follower.file.sound)
        assert follower.replica is not None
        assert follower.replica.progress.complete
        eventually(lambda: follower.trouble == "Kafka does not answer")


@pytest.mark.parametrize("statement", ["DROP TABLE loans", "UPDATE titles SET body = x'00'"])
def test_a_damaged_replica_is_not_answered_from_while_kafka_is_away(
    file: Path, caplog: pytest.LogCaptureFixture, statement: str
):
    change(file, statement)
    with caplog.at_level(logging.WARNING), following(file.parent) as follower:
        eventually(lambda: "the replica is rebuilt" in caplog.text)
        eventually(lambda: follower.replica is None and not file.exists())
        # Tried again meanwhile
        eventually(lambda: follower.trouble == "Kafka does not answer")
    assert caplog.text.count("the replica is rebuilt") == 1


def test_damage_that_is_found_while_kafka_is_away_is_not_forgotten(file: Path):
    with following(file.parent) as follower:
        eventually(lambda: follower.file.sound)
        follower.rebuild("it is damaged: a reader met it")
        eventually(lambda: follower.replica is None)


def test_a_locked_replica_is_kept_and_opened_later(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    content = file.read_bytes()
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: real(*args, **(more | {"timeout": 0.01})))
    with closing(real(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with following(file.parent) as follower:
            eventually(lambda: "locked" in caplog.text)
            assert follower.replica is None
            other.close()
            eventually(lambda: follower.file.sound)
    assert file.read_bytes() == content
