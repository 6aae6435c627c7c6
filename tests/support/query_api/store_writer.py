"""Writes events and rows in transactions, as producer and projector do."""

from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import Producer

from eventstore.headers import event_headers
from eventstore.keys import event_key
from eventstore.partitions import partition_of
from eventstore.positions import Position
from eventstore.table_position import POSITION_KEY, TablePosition
from eventstore.topics import Identity, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.projection import project
from schemas.codec import encode
from schemas.events import Event
from schemas.row import InventoryRow
from schemas.topics import changelog_topic


class StoreWriter:
    """Writes to both topics and remembers versions and rows. Position records name ``source``.

    ``changelog`` may be changed to another table's.
    """

    def __init__(self, settings: Settings, identity: Identity) -> None:
        self.settings, self.source = settings, identity.source
        self.changelog = changelog_topic(settings)
        self.versions: dict[str, int] = {}
        self.rows: dict[str, InventoryRow] = {}
        self.log: list[tuple[int, int, str, int, bytes]] = []
        """Every event: partition, offset, ISBN, version, value."""
        self.next: dict[int, int] = {}
        self._commands = 0
        self._producer = Producer(
            client_config(settings)
            | {"transactional.id": f"{settings.name}-standin", "linger.ms": 0, "acks": "all"}
        )
        self._producer.init_transactions(30)

    def append(self, *events: Event) -> list[Position]:
        """Write events to the event store only."""
        return self.append_raw([(e.isbn, encode(e), type(e).__name__, e.timestamp) for e in events])

    def append_raw(self, values: Iterable[tuple[str, bytes, str, int]]) -> list[Position]:
        """Write arbitrary values (ISBN, bytes, type, time) as the next versions of their titles."""
        written: list[tuple[str, int, bytes, Position]] = []
        self._producer.begin_transaction()
        for isbn, value, kind, at in values:
            self.versions[isbn] = version = self.versions.get(isbn, 0) + 1
            self._commands += 1

            def delivered(error: object, message: Any, isbn=isbn, version=version, value=value) -> None:
                assert error is None, error
                position = Position(message.partition(), message.offset())
                written.append((isbn, version, value, position))

            self._producer.produce(
                events_topic(self.settings),
                key=event_key(isbn, version),
                value=value,
                partition=partition_of(isbn, self.settings.partitions),
                timestamp=at,
                headers=list(
                    event_headers("library.inventory", f"command-{self._commands}", "digest", 0, kind, at, {})
                ),
                on_delivery=delivered,
            )
            self._producer.poll(0)
        self._producer.commit_transaction(30)
        written.sort(key=lambda entry: entry[3])
        self.log += [(p.partition, p.offset, isbn, version, value) for isbn, version, value, p in written]
        for *_, position in written:
            self.next[position.partition] = max(self.next.get(position.partition, 0), position.offset + 2)
        return [position for *_, position in sorted(written, key=lambda entry: entry[3])]

    def project(self, entries: Sequence[tuple[int, int, str, int, bytes]] | None = None) -> None:
        """Fold the events that are not in the rows yet; write rows and positions."""
        if entries is None:
            entries = [e for e in self.log if self._version(e[2]) < e[3]]
        changed: dict[str, InventoryRow] = {}
        nexts: dict[int, int] = {}
        for partition, offset, isbn, version, value in entries:
            self.rows[isbn] = changed[isbn] = project(self.rows.get(isbn), isbn, version, offset, value)
            nexts[partition] = offset + 1
        for partition, following in nexts.items():
            if following == self.next[partition] - 1:
                nexts[partition] = self.next[partition]
        self.write(changed.values(), nexts)

    def write(self, rows: Iterable[InventoryRow], nexts: dict[int, int], source: str = "") -> None:
        """Write one changelog transaction."""
        topic = self.changelog
        self._producer.begin_transaction()
        for row in rows:
            partition = partition_of(row.isbn, self.settings.partitions)
            self._producer.produce(topic, key=row.isbn, value=encode(row), partition=partition)
        for partition, following in nexts.items():
            value = encode(TablePosition(source or self.source, following))
            self._producer.produce(topic, key=POSITION_KEY, value=value, partition=partition)
        self._producer.commit_transaction(30)

    def commit(self, *events: Event) -> list[Position]:
        """Write events and their rows."""
        positions = self.append(*events)
        self.project()
        return positions

    def abort(self, *events: Event) -> None:
        """Write events in a transaction that is aborted."""
        self._producer.begin_transaction()
        for event in events:
            self._producer.produce(
                events_topic(self.settings),
                key=event_key(event.isbn, 999),
                value=encode(event),
                partition=partition_of(event.isbn, self.settings.partitions),
            )
        self._producer.flush(30)
        self._producer.abort_transaction(30)

    def _version(self, isbn: str) -> int:
        row = self.rows.get(isbn)
        return 0 if row is None else max(row.version, row.held.version if row.held else 0)
