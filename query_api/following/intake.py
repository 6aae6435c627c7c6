"""Records of both topics as the replica stores them. A record that can't be read stops nothing."""

import logging
from typing import Any

from confluent_kafka import Message
from msgspec import Struct, field

from eventstore.headers import COMMAND_ID, read_headers
from eventstore.keys import BadKey, parse_event_key
from eventstore.topics import POSITION_KEY
from query_api.replica.events import Stored
from query_api.replica.progress import Draft, Progress
from schemas.codec import Undecodable, decode, type_name
from schemas.records import event_of
from schemas.row import InventoryRow, TablePosition

log = logging.getLogger(__name__)

MOST_VERSIONS = (1 << 63) - 1
"""SQLite's largest number."""


class Unreadable(Struct, frozen=True):
    """A record that names no title."""

    stream: str
    partition: int
    offset: int
    reason: str


class Batch(Struct):
    """What some records say, and the progress they lead to."""

    source: str
    draft: Draft
    rows: dict[str, InventoryRow] = field(default_factory=dict)
    events: list[Stored] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    foreign: str | None = None
    """The event store that a position record named, where it is not ours."""

    @classmethod
    def after(cls, progress: Progress, source: str) -> "Batch":
        """An empty batch; ``source`` is the event store that position records must name."""
        return cls(source, Draft(progress))

    def add_row(self, message: Message) -> None:
        """A record of the changelog."""
        partition, offset = message.partition() or 0, message.offset() or 0
        self.draft.row_read(partition, offset + 1)
        key = message.key()
        try:
            value = decode(message.value())
            match value:
                case TablePosition() if key == POSITION_KEY:
                    if value.source != self.source:
                        self.foreign = value.source
                    else:
                        self.draft.table_at(partition, value.next)
                case InventoryRow() if key == value.isbn.encode() and _is_number(value.isbn):
                    known = self.rows.get(value.isbn)
                    if known is None or known.version <= value.version:
                        self.rows[value.isbn] = value
                case _:
                    raise Undecodable(f"a {type(value).__name__} under the key {key!r}")
        except Undecodable as error:
            self._refuse("changelog", partition, offset, str(error))

    def add_event(self, message: Message) -> None:
        """A record of the event store."""
        partition, offset = message.partition() or 0, message.offset() or 0
        self.draft.event_read(partition, offset + 1)
        try:
            isbn, version = parse_event_key(message.key())
            if version > MOST_VERSIONS:
                raise BadKey("the key's version is beyond any that can be stored")
        except BadKey as error:
            self._refuse("events", partition, offset, str(error))
            return
        value = message.value()
        try:
            event = event_of(isbn, value)
        except Undecodable as error:
            log.error("event %d:%d of %s can't be read: %s", partition, offset, isbn, error)
            at = message.timestamp()[1]
            self.events.append(
                Stored(partition, offset, isbn, version, at, _kind(value), "", value, str(error))
            )
            return
        headers: Any = message.headers()
        command_id = read_headers(headers).get(COMMAND_ID, "")
        kind = type(event).__name__
        self.events.append(Stored(partition, offset, isbn, version, event.timestamp, kind, command_id, value))

    def _refuse(self, stream: str, partition: int, offset: int, reason: str) -> None:
        log.error("%s record %d:%d can't be read and is passed over: %s", stream, partition, offset, reason)
        self.unreadable.append(Unreadable(stream, partition, offset, reason))


def _kind(value: bytes | None) -> str:
    try:
        return type_name(value)
    except Undecodable:
        return "unknown"


def _is_number(isbn: str) -> bool:
    return len(isbn) == 13 and isbn.isascii() and isbn.isdigit()
