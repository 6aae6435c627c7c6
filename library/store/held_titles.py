"""Held titles, read from the table's changelog and the event store."""

from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.headers import read_headers
from eventstore.partition_reader import read_partition
from eventstore.positions import Position
from eventstore.topics import events_topic
from foundation.kafka_clients import client_config
from library.store.offsets import Offsets, end
from library.store.table_part import inventory_row, table_parts
from schemas.codec import Undecodable, type_name
from schemas.row import Held, InventoryRow
from schemas.tables import current_table

if TYPE_CHECKING:
    from foundation.settings import Settings


class HeldTitle(Struct, frozen=True):
    """A title with an event that can't be applied, and the position of this event."""

    partition: int
    row: InventoryRow
    held: Held

    @property
    def isbn(self) -> str:
        """The title's ISBN."""
        return self.row.isbn

    def as_row(self) -> dict[str, Any]:
        """The fields that `library held list` prints."""
        position = str(Position(self.partition, self.held.offset))
        return {
            "isbn": self.isbn,
            "title": self.row.title,
            "version": self.held.version,
            "position": position,
            "reason": self.held.reason,
        }


def held_titles(settings: "Settings") -> list[HeldTitle]:
    """All titles that are held now. Reads the whole changelog. Raises as ``read_tables``."""
    admin = AdminClient(client_config(settings))
    table, held = current_table(admin, settings), []
    for partition in sorted(end(settings, table.changelog(settings))):
        rows = next(table_parts(settings, table, partition, dict[bytes, bytes]())).rows
        for isbn in sorted(rows):
            row = inventory_row(rows, isbn.decode())
            if row is not None and row.held is not None:
                held.append(HeldTitle(partition, row, row.held))
    return held


def first_offsets(held: list[HeldTitle]) -> Offsets:
    """For each partition, the first event that a title is held for."""
    lowest: Offsets = {}
    for title in held:
        lowest[title.partition] = min(title.held.offset, lowest.get(title.partition, title.held.offset))
    return lowest


def event_record(settings: "Settings", title: HeldTitle) -> dict[str, Any]:
    """The event that the title is held for: its type, its headers, its bytes in hexadecimal."""
    topic = events_topic(settings)
    offset = title.held.offset
    for message in read_partition(settings, topic, title.partition, offset, end=offset + 1):
        value = message.value()
        try:
            kind = type_name(value)
        except Undecodable as error:
            kind = f"unknown: {error}"
        return {
            "type": kind,
            **read_headers(message.headers()),  # type: ignore[arg-type]
            "value": None if value is None else value.hex(),
        }
    return {"record": "it is not in the event store any more"}
