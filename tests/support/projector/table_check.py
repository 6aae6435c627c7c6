"""Compares RocksDB and changelog, row by row, with a plain fold of the event store."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import Struct
from rocksdict import AccessType, Options, Rdict

from eventstore.groups import COORDINATOR_MOVING
from eventstore.table_position import POSITION_KEY, TablePosition
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config, reading_config
from foundation.settings import Settings
from inventory.projection import project
from projector.batched_faust.store import IDENTITY_KEY, Store
from schemas.codec import decode
from schemas.records import parse_title_key
from schemas.row import InventoryRow
from schemas.topics import changelog_topic, identify, projector_group
from tests.support.waiting import LIMIT_S, eventually

Rows = dict[str, InventoryRow]
SILENCE_S = 60.0
"""A broker that runs has given a reader a record or the end of a partition before."""


class Changelog(Struct):
    """The state of a reader that read the changelog from its beginning."""

    rows: Rows
    positions: dict[int, int]
    """The last position of each partition."""
    went_back: int
    """Number of rows with a lower version than before."""


def read_topic(settings: Settings, topic: str, last: int | None = None) -> Iterator[Message]:
    """Yield the committed records of a topic, or of the ``last`` offsets of each partition."""
    consumer = Consumer(reading_config(settings) | {"group.id": "tests"})
    try:
        places = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(settings.partitions)]
        if last is not None:
            for place in places:
                place.offset = max(0, consumer.get_watermark_offsets(place, timeout=10)[1] - last)
        consumer.assign(places)
        # A partition that is being written can end several times
        unread = {place.partition: place for place in places}
        while unread:
            messages = consumer.consume(1, SILENCE_S) + consumer.consume(1000, 0)
            if not messages:
                raise TimeoutError(_silence(consumer, list(unread.values())))
            for message in messages:
                if (error := message.error()) is None:
                    yield message
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    unread.pop(message.partition() or 0, None)
    finally:
        consumer.close()


def _silence(consumer: Consumer, unread: list[TopicPartition]) -> str:
    """What is known of partitions that neither go on nor end."""
    lines = []
    for asked in unread:
        (at,) = consumer.position([TopicPartition(asked.topic, asked.partition)])
        known, stable = (consumer.get_watermark_offsets(asked, timeout=10, cached=c) for c in (True, False))
        lines.append(f"{asked}, at {at.offset}, known ends {known}, last stable offsets {stable}")
    return "\n".join(["silence before the end of", *lines])


def expected_rows(settings: Settings, until: Mapping[int, int] = MappingProxyType({})) -> Rows:
    """Fold every committed event, or those before the offsets ``until``, one by one."""
    rows: Rows = {}
    for message in read_topic(settings, events_topic(settings)):
        if (message.offset() or 0) >= until.get(message.partition() or 0, 1 << 62):
            continue
        isbn, version = parse_title_key(message.key())
        rows[isbn] = project(rows.get(isbn), isbn, version, message.offset() or 0, message.value())
    return rows


def read_changelog(settings: Settings) -> Changelog:
    """The last record of each key."""
    found = Changelog({}, {}, 0)
    for message in read_topic(settings, changelog_topic(settings)):
        value = decode(message.value())
        if message.key() == POSITION_KEY:
            assert isinstance(value, TablePosition)
            found.positions[message.partition() or 0] = value.next
            continue
        assert isinstance(value, InventoryRow)
        old = found.rows.get(value.isbn)
        found.went_back += old is not None and value.version < old.version
        found.rows[value.isbn] = value
    return found


def rocksdb_rows(settings: Settings) -> Rows:
    """The rows in RocksDB; of a partition that several workers had, the most advanced ones."""
    identity = identify(AdminClient(client_config(settings)), settings)
    current = f"{identity.cluster}/{identity.events}/{identity.changelog}".encode()
    best: dict[str, tuple[int, Rows]] = {}
    for path in Path(settings.data_dir).glob("projector-*/v*/tables/*.db"):
        db = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
        items: dict[Any, Any] = dict(db.items())
        db.close()
        offset = int(items.pop(Store.offset_key, b"-1"))
        items.pop(POSITION_KEY, None)
        if items.pop(IDENTITY_KEY) != current:
            continue
        rows = {key.decode(): decode(value) for key, value in items.items()}
        if offset >= best.get(path.name, (-1, {}))[0]:
            best[path.name] = (offset, rows)
    return {isbn: row for _, rows in best.values() for isbn, row in rows.items()}


@contextmanager
def _group_reader(settings: Settings) -> Iterator[Consumer]:
    """A consumer that reads the offsets of the projector's group, without joining it."""
    consumer = Consumer(reading_config(settings) | {"group.id": projector_group(settings)})
    try:
        yield consumer
    finally:
        consumer.close()


def lag(settings: Settings) -> int:
    """Offsets of the event store that are not committed, or not in the table."""
    with _group_reader(settings) as consumer:
        return _lag(settings, consumer)


def _lag(settings: Settings, consumer: Consumer) -> int:
    partitions = [TopicPartition(events_topic(settings), p) for p in range(settings.partitions)]
    committed = consumer.committed(partitions, timeout=10)
    ends = [consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions]
    if behind := sum(end - max(c.offset, 0) for c, end in zip(committed, ends, strict=True)):
        return behind
    # The group may have been reset, or the changelog lost
    table = dict.fromkeys(range(settings.partitions), 0)
    for message in read_topic(settings, changelog_topic(settings), last=2):
        if message.key() == POSITION_KEY:
            table[message.partition() or 0] = decode(message.value()).next
    return sum(end - table[p] for p, end in enumerate(ends))


def until_lag(settings: Settings, accepted: Callable[[int], bool], limit: float = LIMIT_S) -> None:
    """Wait for a lag for which ``accepted`` is true."""

    def now() -> bool:
        try:
            return accepted(_lag(settings, consumer))
        except KafkaException as error:
            # A new system's coordinator and leaders are not available at once
            if error.args[0].retriable() or error.args[0].code() in COORDINATOR_MOVING:
                return False
            raise

    # Each look asks Kafka many times: the workers should have the machine
    with _group_reader(settings) as consumer:
        eventually(now, limit, pause=0.1)


def until_caught_up(settings: Settings, limit: float = LIMIT_S) -> None:
    """Wait until everything is in the table and committed."""
    until_lag(settings, lambda lag: lag == 0, limit)


def assert_exact(settings: Settings, limit: float = LIMIT_S) -> Rows:
    """Wait until the table has caught up, check that it is exact, and return its rows."""
    until_caught_up(settings, limit)
    rows = expected_rows(settings)
    changelog = read_changelog(settings)
    assert differences(rows, changelog.rows) == []

    def as_expected() -> bool:
        try:
            found = rocksdb_rows(settings)
        except Exception as error:
            # A starting worker may be opening its files
            raise AssertionError from error
        assert differences(rows, found) == []
        return True

    eventually(as_expected, limit)
    return rows


def differences(want: Rows, got: Rows) -> list[tuple[InventoryRow | None, InventoryRow | None]]:
    """Pairs of rows that differ."""
    return [
        (want.get(isbn), got.get(isbn))
        for isbn in sorted(want.keys() | got.keys())
        if want.get(isbn) != got.get(isbn)
    ]
