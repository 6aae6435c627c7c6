"""Records as the replica stores them, from messages that a test makes."""

from typing import Any

import pytest
from confluent_kafka import KafkaError
from msgspec.structs import replace

from eventstore.headers import event_headers
from eventstore.keys import parse_event_key
from eventstore.table_position import POSITION_KEY
from query_api.following.intake import MOST_HELD_BACK, RecordBatch, split_at_positions
from query_api.replica.progress import Progress
from query_api.replica.tables import LARGEST_INTEGER
from schemas.codec import encode
from schemas.events import BookAdded

ISBN, AT = "9781593275846", 1_700_000_000_000
OTHER = "9781680502992"
EVENT = BookAdded(ISBN, "T", "A", 1, AT)


class Record:
    """As much of a Kafka message as is read."""

    def __init__(self, key: bytes, value: bytes) -> None:
        self._key, self._value = key, value

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return event_headers(
            "library.inventory", "command-1", "digest", 0, "BookAdded", AT, {"actor": "Žofie"}
        )

    def timestamp(self) -> tuple[int, int]:
        return 1, AT + 5


def batch_of(key: bytes, value: bytes) -> RecordBatch:
    message: Any = Record(key, value)
    batch = RecordBatch.after(Progress.none(1), "cluster/events")
    batch.add_event(message)
    return batch


def test_an_event_is_stored_with_its_command_and_time():
    (stored,) = batch_of(f"{ISBN}/3".encode(), encode(EVENT)).events
    assert (stored.isbn, stored.version, stored.at, stored.type) == (ISBN, 3, AT, "BookAdded")
    assert (stored.command_id, stored.actor, stored.problem) == ("command-1", "Žofie", None)


def test_an_event_that_cannot_be_decoded_is_stored_with_the_reason_and_the_record_s_time():
    (stored,) = batch_of(f"{ISBN}/3".encode(), b"damaged").events
    assert (stored.isbn, stored.version, stored.at, stored.type) == (ISBN, 3, AT + 5, "unknown")
    assert stored.problem


@pytest.mark.parametrize(
    "key", [b"", b"nonsense", f"{ISBN}/0".encode(), f"{ISBN}/{LARGEST_INTEGER + 1}".encode()]
)
def test_a_record_that_names_no_version_of_a_title_is_passed_over(key: bytes):
    batch = batch_of(key, encode(EVENT))
    assert (batch.events, len(batch.unreadable)) == ([], 1)
    assert batch.draft.history == [8]


@pytest.mark.parametrize("value", [encode(EVENT), b"damaged", encode(replace(EVENT, isbn=OTHER))])
def test_a_key_is_parsed_once_whatever_its_value(monkeypatch: pytest.MonkeyPatch, value: bytes):
    parsed: list[bytes | None] = []

    def count(key: bytes | None) -> tuple[str, int]:
        parsed.append(key)
        return parse_event_key(key)

    monkeypatch.setattr("eventstore.recorded.parse_event_key", count)
    batch_of(f"{ISBN}/3".encode(), value)
    assert len(parsed) == 1


class Row:
    """A record of a topic without its value, or the end of a partition."""

    def __init__(self, topic: str, partition: int, key: bytes | None) -> None:
        self._topic, self._partition, self._key = topic, partition, key

    def __repr__(self) -> str:
        return f"{self._topic} {self._partition} {self._key!r}"

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def key(self) -> bytes | None:
        return self._key

    def error(self) -> KafkaError | None:
        return KafkaError(KafkaError._PARTITION_EOF) if self._key is None else None


def row(partition: int, key: bytes | None, topic: str = "rows") -> Any:
    return Row(topic, partition, key)


def test_rows_are_stored_with_the_position_of_their_transaction():
    stored, other, open_ = row(0, b"1"), row(1, b"2"), row(0, b"3")
    position, event, end = row(0, POSITION_KEY), row(0, b"1/1", "events"), row(1, None)
    read = [stored, other, position, open_, event]
    assert split_at_positions(read, "rows") == ([stored, position, event], [other, open_])
    assert split_at_positions([other, open_, end], "rows") == ([other, end], [open_])
    assert split_at_positions([open_, position], "rows") == ([open_, position], [])


def test_a_transaction_that_is_too_large_to_be_held_back_is_stored_in_parts():
    read = [row(0, b"1")] * (MOST_HELD_BACK + 1)
    assert split_at_positions(read, "rows") == (read, [])
