"""The inventory's tables, and the record in Kafka that says which of them counts.

Usually there is one, number 1. ``library rebuild`` computes another one beside it, with a number of its own.
"""

from typing import TYPE_CHECKING

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from eventstore.log_offsets import LogOffsets
from eventstore.partition_reader import read_partition
from eventstore.topics import Table, WrongTopic
from schemas.topics import INVENTORY

if TYPE_CHECKING:
    from foundation.settings import Settings

KEY = b"inventory"
"""The key of the record. The last one counts."""


class Tables(Struct, frozen=True, kw_only=True):
    """The record. Without one, the only table is number 1."""

    current: int = 1
    """Query APIs answer from this table."""
    other: int = 0
    """A table that is written beside it: a rebuilt one, or the one before the last switch; 0: none."""
    newest: int = 1
    """The highest number that a table ever had. None is used twice."""
    started_at: int = 0
    """When the newest table was started, in ms since 1970, UTC."""
    changed_at: int = 0
    """When the record was written, in ms since 1970, UTC."""

    @property
    def numbers(self) -> list[int]:
        """The tables that exist, the oldest first."""
        return sorted({self.current, self.other} - {0})

    @property
    def rebuilt(self) -> int:
        """The table that is computed beside the current one and was not switched to; 0: none."""
        return self.other if self.other > self.current else 0


def tables_topic(settings: "Settings") -> str:
    """The topic of the record: compacted, one partition. It is made by the first rebuild."""
    return f"{settings.name}.tables"


def inventory_table(number: int) -> Table:
    """The names of the inventory table with this number."""
    return INVENTORY if number == 1 else Table(f"{INVENTORY.group}.{number}", INVENTORY.name)


def tables_of(tables: Tables) -> list[Table]:
    """The names of the tables that exist."""
    return [inventory_table(number) for number in tables.numbers]


def current_table(admin: AdminClient, settings: "Settings") -> Table:
    """The names of the table that query APIs answer from. Raises as ``read_tables``."""
    return inventory_table(read_tables(admin, settings).current)


def is_projector_group(settings: "Settings", group: str) -> bool:
    """Whether the consumer group writes an inventory table."""
    first = INVENTORY.group_id(settings)
    number = group.removeprefix(f"{first}.")
    return group == first or (number != group and number.isdecimal())


def read_tables(admin: AdminClient, settings: "Settings", timeout: float = 5.0) -> Tables:
    """The record as it is now. ``timeout`` (s) limits each request.

    Raises KafkaException, KafkaUnavailable, and WrongTopic for a record that can't be read.
    """
    end = record_end(admin, settings, timeout)
    return Tables() if end is None else record_before(settings, end)


def record_end(
    admin: AdminClient, settings: "Settings", timeout: float, *, committed: bool = True
) -> int | None:
    """The end of the record's topic, as LogOffsets; None if there is no such topic. Raises KafkaException."""
    topic = tables_topic(settings)
    # A request for the offsets of a missing topic would wait for it
    error = admin.list_topics(topic, timeout=timeout).topics[topic].error
    if error is not None:
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            return None
        raise KafkaException(KafkaError(error.code(), f"{topic}: {error.str()}"))
    offsets = LogOffsets(settings, committed=committed)
    try:
        return offsets.end(topic, 0, timeout)
    finally:
        offsets.close()


def record_before(settings: "Settings", end: int) -> Tables:
    """The last record before the offset ``end``. Raises as ``read_partition``, and WrongTopic."""
    topic, value, offset = tables_topic(settings), b"{}", 0
    for message in read_partition(settings, topic, 0, end=end):
        if message.key() == KEY:
            value, offset = message.value() or b"", message.offset() or 0
    try:
        return msgspec.json.decode(value, type=Tables)
    except msgspec.DecodeError as error:
        raise WrongTopic(
            f"record {offset} of {topic}, which says which table counts, can't be read: {error}",
            f"library kafka console-consumer --topic {topic} --from-beginning",
            " shows its records; another program wrote it, or a newer release",
        ) from error
