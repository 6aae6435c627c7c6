"""Held titles, as the table's changelog and the event store tell them."""

from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.headers import read_headers
from eventstore.partition_reader import read_partition
from eventstore.positions import Position
from eventstore.topics import changelog_topic, events_topic
from foundation.kafka_clients import client_config
from library.store.offsets import Offsets, end
from library.store.table_part import table_parts
from schemas.codec import Undecodable, type_name
from schemas.row import Held, InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings


class Waiting(Struct, frozen=True):
    """A title that waits, and where the event stands that it waits for."""

    partition: int
    row: InventoryRow
    held: Held

    @property
    def isbn(self) -> str:
        """The title."""
        return self.row.isbn

    def shown(self) -> dict[str, Any]:
        """For people and programs."""
        position = str(Position(self.partition, self.held.offset))
        return {
            "isbn": self.isbn,
            "title": self.row.title,
            "version": self.held.version,
            "position": position,
            "reason": self.held.reason,
        }


def waiting(settings: "Settings") -> list[Waiting]:
    """All titles that wait now. Reads the whole changelog. Raises as ``read_partition``."""
    admin = AdminClient(client_config(settings))
    found = []
    for partition in sorted(end(admin, changelog_topic(settings))):
        part = next(table_parts(settings, partition))
        for isbn in sorted(part.rows):
            row = part.row(isbn)
            if row is not None and row.held is not None:
                found.append(Waiting(partition, row, row.held))
    return found


def places(held: list[Waiting]) -> Offsets:
    """Where the projector has to begin to meet all of these events again."""
    lowest: Offsets = {}
    for title in held:
        lowest[title.partition] = min(title.held.offset, lowest.get(title.partition, title.held.offset))
    return lowest


def record_of(settings: "Settings", title: Waiting) -> dict[str, Any]:
    """The event that the title waits for: what it says it is, its headers, its bytes in hexadecimal."""
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
    return {"record": "it does not stand in the event store any more"}
