"""Decodes records of both topics for the replica. A record that can't be decoded stops nothing."""

import logging
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, Message
from msgspec import Struct, field

from eventstore.headers import ACTOR, COMMAND_ID, DIGEST, read_headers
from eventstore.keys import BadKey
from eventstore.table_position import POSITION_KEY, TablePosition
from query_api.following.traces import Traces
from query_api.replica.events import StoredEvent
from query_api.replica.progress import FOREIGN, Draft, Progress
from query_api.replica.tables import LARGEST_INTEGER
from schemas.codec import Undecodable, decode, type_name
from schemas.records import EVENTS, event_of, parse_title_key
from schemas.row import InventoryRow

log = logging.getLogger(__name__)


MOST_HELD_BACK = 20_000
"""Records. A larger transaction, of a table that is being rebuilt, is stored in parts."""


def split_at_positions(messages: Sequence[Message], changelog: str) -> tuple[list[Message], list[Message]]:
    """The messages that can be stored, and rows whose transaction has not been read to its end.

    A transaction of the projector ends with the table's position. Without it, answers with these rows would
    be newer than the position that they name. At the end of a partition every row counts.
    """
    complete: set[int | None] = set()
    now, later = list[Message](), list[Message]()
    for message in reversed(messages):
        if message.topic() == changelog and message.partition() not in complete:
            error = message.error()
            if error is None and message.key() != POSITION_KEY:
                later.append(message)
                continue
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                complete.add(message.partition())
        now.append(message)
    if len(later) > MOST_HELD_BACK:
        return list(messages), []
    return now[::-1], later[::-1]


class UnreadableRecord(Struct, frozen=True):
    """A record that names no title."""

    stream: str
    partition: int
    offset: int
    reason: str


class RecordBatch(Struct):
    """The values of some records, and the progress after them."""

    source: str
    draft: Draft
    rows: dict[str, InventoryRow] = field(default_factory=dict)
    events: list[StoredEvent] = field(default_factory=list)
    unreadable: list[UnreadableRecord] = field(default_factory=list)
    foreign_source: str | None = None
    """Another event store than ours, named by a position record."""
    traces: Traces | None = None

    @classmethod
    def after(cls, progress: Progress, source: str, traces: Traces | None = None) -> "RecordBatch":
        """An empty batch; ``source`` is the event store that position records must name."""
        return cls(source, Draft(progress), traces=traces)

    def add_row(self, message: Message) -> None:
        """Add a record of the changelog."""
        partition, offset = message.partition() or 0, message.offset() or 0
        self.draft.row_read(partition, offset + 1)
        key = message.key()
        try:
            value = decode(message.value())
            match value:
                case TablePosition() if key == POSITION_KEY:
                    if value.source != self.source:
                        self.foreign_source = value.source
                        self.draft.table_at(partition, FOREIGN)
                    else:
                        self.draft.table_at(partition, value.next)
                case InventoryRow() if key == value.isbn.encode() and EVENTS.is_stream(value.isbn):
                    newest = self.rows.get(value.isbn)
                    if newest is None or newest.version <= value.version:
                        self.rows[value.isbn] = value
                case _:
                    raise Undecodable(f"a {type(value).__name__} under the key {key!r}")
        except Undecodable as error:
            self._pass_over("changelog", partition, offset, str(error))

    def add_event(self, message: Message) -> None:
        """Add a record of the event store."""
        partition, offset = message.partition() or 0, message.offset() or 0
        self.draft.event_read(partition, offset + 1)
        try:
            isbn, version = parse_title_key(message.key())
            if version > LARGEST_INTEGER:
                raise BadKey("the key's version is too large to be stored")
        except BadKey as error:
            self._pass_over("events", partition, offset, str(error))
            return
        value = message.value()
        command_id, actor, digest, problem = "", "", "", None
        try:
            event = event_of(isbn, value)
        except Undecodable as error:
            log.error("event %d:%d of %s can't be decoded: %s", partition, offset, isbn, error)
            at, kind, problem = message.timestamp()[1], _type_of(value), str(error)
        else:
            headers: Any = message.headers()
            at, kind = event.timestamp, type(event).__name__
            by_name = read_headers(headers)
            if self.traces is not None:
                self.traces.note(message, by_name)
            command_id, actor = by_name.get(COMMAND_ID, ""), by_name.get(ACTOR, "")
            digest = by_name.get(DIGEST, "")
        self.events.append(
            StoredEvent(partition, offset, isbn, version, at, kind, command_id, value, problem, actor, digest)
        )

    def _pass_over(self, stream: str, partition: int, offset: int, reason: str) -> None:
        log.error("%s record %d:%d is passed over: %s", stream, partition, offset, reason)
        self.unreadable.append(UnreadableRecord(stream, partition, offset, reason))


def _type_of(value: bytes | None) -> str:
    try:
        return type_name(value)
    except Undecodable:
        return "unknown"
