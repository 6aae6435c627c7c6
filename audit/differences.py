"""Why a row of the table differs from its events."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition
from msgspec import Struct

from audit.titles import Entry
from eventstore.partition_reader import read_partition
from eventstore.positions import Position
from eventstore.topics import Table, events_topic
from foundation.kafka_clients import reading_config
from inventory.projection import project_log
from inventory.row_difference import differing, members
from schemas.codec import Undecodable, decode
from schemas.records import parse_title_key
from schemas.row import InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings


class Field(Struct, frozen=True):
    """A field whose values differ; None where there is no row."""

    name: str
    expected: Any
    found: Any


class Difference(Struct, frozen=True, kw_only=True):
    """A title whose row in the table is not as its events make it. Positions are ``partition:offset``."""

    isbn: str
    fields: list[Field]
    what: str
    """``differs``, ``missing``, ``unexpected`` for a row without events, or ``unreadable``."""
    event: str | None
    """The position of the last event that is in the expected row; None: the title has no events."""
    record: str | None
    """The position of the row in the changelog; None: it was never there."""
    position: str
    """The event store's position that the table had when it was compared."""
    found_at: int
    """In ms since 1970, UTC."""
    summary: str
    """The fields that differ, without naming borrowers."""


class Verdict(NamedTuple):
    """What the record of a title shows."""

    entry: Entry
    difference: Difference | None
    decided: bool
    """False: the row has events that the table's position does not, or a newer record. Compare it later."""


class Explainer:
    """Reads the records of rows that do not match, and decodes them."""

    def __init__(self, settings: "Settings", table: Table) -> None:
        self._settings, self._changelog = settings, table.changelog(settings)

    def explain(self, partition: int, following: int, entries: Sequence[Entry], at: int) -> Iterator[Verdict]:
        """A verdict for each entry. The table has the events before the offset ``following``.

        ``at`` is the present time (ms). Raises as ``read_partition``.
        """
        records = self._records(partition, {entry.record for entry in entries if entry.found is not None})
        for entry in entries:
            yield self._verdict(partition, following, entry, records, at)

    def _records(self, partition: int, offsets: set[int | None]) -> dict[int, bytes | None]:
        """The values at these offsets of the changelog. Compaction may have removed some."""
        wanted = {offset for offset in offsets if offset is not None}
        if not wanted:
            return {}
        return {
            offset: message.value()
            for message in read_partition(
                self._settings, self._changelog, partition, min(wanted), end=max(wanted) + 1
            )
            if (offset := message.offset() or 0) in wanted
        }

    def _verdict(
        self, partition: int, following: int, entry: Entry, records: Mapping[int, bytes | None], at: int
    ) -> Verdict:
        expected = None if entry.expected is None else _row(entry.expected)
        found, what, reason = None, "differs", ""
        if entry.found is None:
            what = "missing"
        elif entry.record is None or entry.record not in records:
            return Verdict(entry, None, decided=False)
        else:
            try:
                found = _row(records[entry.record])
            except Undecodable as error:
                what, reason = "unreadable", str(error)
            else:
                if found == expected:
                    # Other bytes, of an older schema for example
                    return Verdict(entry, None, decided=True)
                if expected is None:
                    what = "unexpected"
                if self._is_ahead(partition, following, entry.key, expected, found):
                    return Verdict(entry, None, decided=False)
        wanted, has = members(expected), members(found)
        fields = [Field(name, wanted.get(name), has.get(name)) for name in differing(wanted, has)]
        difference = Difference(
            isbn=entry.key.decode(errors="backslashreplace"),
            fields=fields,
            what=what,
            summary=_summary(what, reason, fields),
            event=None if entry.event is None else str(Position(partition, entry.event)),
            record=None if entry.record is None else str(Position(partition, entry.record)),
            position=str(Position(partition, following - 1)),
            found_at=at,
        )
        return Verdict(entry, difference, decided=True)

    def _is_ahead(
        self, partition: int, following: int, key: bytes, expected: InventoryRow | None, found: InventoryRow
    ) -> bool:
        """Whether later events than the table's position make this row: it may have some."""
        if found.version <= (expected.version if expected else 0):
            return False
        topic = events_topic(self._settings)
        consumer = Consumer(reading_config(self._settings))
        try:
            _, end = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=self._settings.deadline
            )
        finally:
            consumer.close()
        row = expected
        for message in read_partition(self._settings, topic, partition, following, end=end):
            if (row := _after(row, key, message)) == found:
                return True
        return False


def _summary(what: str, reason: str, fields: Sequence[Field]) -> str:
    match what:
        case "missing":
            return "the row is missing"
        case "unexpected":
            return "no events produce this row"
        case "unreadable":
            return f"the row can't be read: {reason}"
    return ", ".join(
        field.name if field.name == "loans" else f"{field.name} {field.found!r}, not {field.expected!r}"
        for field in fields
    )


def _after(row: InventoryRow | None, key: bytes, message: Message) -> InventoryRow | None:
    record = message.key() or b""
    if not record.startswith(key + b"/"):
        return row
    isbn, version = parse_title_key(record)
    return project_log(row, isbn, version, message.offset() or 0, message.value())


def _row(value: bytes | None) -> InventoryRow:
    row = decode(value)
    if not isinstance(row, InventoryRow):
        raise Undecodable(f"a {type(row).__name__} under the key of a row")
    return row
