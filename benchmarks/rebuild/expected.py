"""Compares a changelog with the rows that an independent fold computes, event by event."""

from collections.abc import Iterator

from confluent_kafka import Message

from eventstore.partition_reader import read_partition
from eventstore.table_position import POSITION_KEY, TablePosition
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.row_fold import fold
from library.store.offsets import Offsets, settled_end
from schemas.codec import decode, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow

LIMIT_S = 20.0
Rows = dict[str, bytes]
"""Encoded rows by title."""


class TableDiffers(Exception):
    """A contestant's table differs from the fold of the events."""


def independent_fold(settings: Settings) -> Rows:
    """Fold the event store; return the rows by title."""
    rows: dict[str, InventoryRow] = {}
    for message in committed_records(settings, events_topic(settings)):
        isbn, version = parse_title_key(message.key())
        rows[isbn] = fold(rows.get(isbn), version, decode(message.value()))
    return {isbn: encode(row) for isbn, row in rows.items()}


def compare(settings: Settings, changelog: str, expected: Rows, ends: Offsets | None) -> None:
    """Compare the last rows of the changelog, and with ``ends`` its positions. Raises TableDiffers."""
    last: dict[str, bytes | None] = {}
    positions: Offsets = {}
    for message in committed_records(settings, changelog):
        key = message.key() or b""
        if key == POSITION_KEY:
            position = decode(message.value())
            assert isinstance(position, TablePosition)
            positions[message.partition() or 0] = position.next
        else:
            last[key.decode()] = message.value()
    wrong = [isbn for isbn in expected.keys() | last.keys() if not _same(expected.get(isbn), last.get(isbn))]
    if wrong:
        isbn = min(wrong)
        raise TableDiffers(
            f"{changelog}: {len(wrong)} of {len(expected)} rows differ, for example {isbn}: "
            f"{last.get(isbn)!r}, expected {expected.get(isbn)!r}"
        )
    if ends is not None and positions != ends:
        raise TableDiffers(f"{changelog}: the positions are {positions}, the event store ends at {ends}")


def _same(one: bytes | None, other: bytes | None) -> bool:
    # Avro may write the same row in different bytes
    return one == other or (one is not None and other is not None and decode(one) == decode(other))


def committed_records(settings: Settings, topic: str) -> Iterator[Message]:
    """Yield every committed record of the topic up to its present end. Raises StillOpen, KafkaException."""
    for partition, last in settled_end(settings, topic, LIMIT_S).items():
        yield from read_partition(settings, topic, partition, end=last)
