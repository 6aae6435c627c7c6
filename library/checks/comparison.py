"""Fold the whole event store again, partition by partition, and compare a table with the result."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from confluent_kafka import Message
from msgspec import Struct

from eventstore.partition_reader import read_partition
from eventstore.topics import Table, events_topic
from foundation.memory import no_collections
from library.store.offsets import committed
from library.store.table_part import R, Rows, TablePart, table_parts
from schemas.tables import is_projector_group

if TYPE_CHECKING:
    from foundation.settings import Settings

PROGRESS_EVENTS = 1000
"""Events between two reports of progress."""
D = TypeVar("D", covariant=True)


class Checked(Struct, Generic[D]):
    """The comparison of one partition; ``following`` is the next offset after the position it was made at."""

    partition: int
    following: int
    rows: int
    differences: Sequence[D]


class Comparison(Protocol[D]):
    """Folds the events of one partition, and compares the rows with those of the table."""

    @property
    def rows(self) -> Rows:
        """Receives the rows of the table, before the first event."""

    @property
    def reading(self) -> float:
        """The share of the work that is done when every event was given to ``fold``."""

    def fold(self, message: Message) -> None:
        """Take the next event."""

    def checked(self, following: int) -> Checked[D]:
        """Compare, once each event before ``following``, the table's position, was given to ``fold``."""


class Behind(Exception):
    """The table does not reach the end of the events within the deadline."""


class OtherStore(Exception):
    """The table was made from another event store."""


def compare(
    settings: "Settings",
    table: Table,
    source: str,
    ends: dict[int, int],
    comparison_of: Callable[[int, int, Callable[[float], None]], Comparison[D]],
    report: Callable[[int], None],
) -> Iterator[Checked[D]]:
    """Compare every partition of ``table``, at a position at or after ``ends``.

    ``source`` names the event store as TablePosition does; ``comparison_of`` begins the comparison of a
    partition: it is given the partition, its end, and what to call with the share of the work that is done;
    ``report`` gets the number of offsets compared so far. Raises Behind, OtherStore, and as
    ``read_partition``.
    """

    # A function of its own: while a partition is read nothing of the one before may be in memory
    def compared(partition: int, end: int, passed: int) -> Checked[D]:
        comparison = comparison_of(partition, end, lambda share: report(passed + int(end * share)))
        # Rows stay in memory until they are compared
        with no_collections():
            part = reached(
                settings, table, partition, end, table_parts(settings, table, partition, comparison.rows)
            )
            if part.position is not None and part.position.source != source:
                raise OtherStore(
                    f"the table was made from another event store, {part.position.source}, not {source}"
                )
            for message in read_partition(settings, events_topic(settings), partition, end=part.next):
                offset = message.offset() or 0
                comparison.fold(message)
                if offset % PROGRESS_EVENTS == 0:
                    report(passed + int(min(offset, end) * comparison.reading))
            checked = comparison.checked(part.next)
        report(passed + end)
        return checked

    passed = 0
    for partition, end in sorted(ends.items()):
        yield compared(partition, end, passed)
        passed += end


def reached(
    settings: "Settings", table: Table, partition: int, end: int, parts: Iterator[TablePart[R]]
) -> TablePart[R]:
    """The first of ``parts``, readings of the partition, that has reached ``end`` while no replay is running.

    Raises Behind.
    """
    topic = events_topic(settings)
    advanced_at, best, offsets = time.monotonic(), -1, None
    for part in parts:
        if part.next >= end and not part.replaying:
            return part
        if offsets is None:
            offsets = committed(settings, topic, table.group_id(settings))
        if part.next > best:
            advanced_at, best = time.monotonic(), part.next
        elif time.monotonic() - advanced_at > settings.deadline:
            # The projector may be busy with other partitions: those that are far behind take turns
            before, offsets = offsets, committed(settings, topic, table.group_id(settings))
            if offsets != before:
                advanced_at = time.monotonic()
                continue
            why = "`library status` shows whether the projector runs, `library logs projector` why it waits"
            if not is_projector_group(settings, table.group_id(settings)):
                why = f"the log of the workers of {table.group_id(settings)} shows why"
            raise Behind(
                f"the table stays at offset {part.next} of partition {partition}, the events end at {end}: "
                + why
            )
    raise AssertionError("follow_partition never ends")
