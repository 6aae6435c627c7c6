"""Two inventory tables compared row by row, each partition at one position, on a live system."""

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING
from zlib import crc32

from msgspec import Struct

from eventstore.keys import BadKey
from eventstore.partition_reader import read_partition
from eventstore.topics import Table, events_topic
from inventory.row_difference import differing, members
from library.checks.comparison import reached
from library.store.table_part import inventory_row, table_parts
from schemas.codec import Undecodable
from schemas.records import parse_title_key
from schemas.row import InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings

MAX_ROUNDS = 20
"""Titles that are written all the time are compared again so many times."""


class RowDifference(Struct, frozen=True):
    """A title whose rows differ; None where a table has no row. ``damage``: why a row can't be decoded."""

    isbn: str
    current: InventoryRow | None
    other: InventoryRow | None
    damage: str = ""

    @property
    def fields(self) -> list[str]:
        """The names of the fields that differ."""
        return differing(members(self.current), members(self.other))

    @property
    def summary(self) -> str:
        """The fields that differ, without naming borrowers."""
        if self.damage:
            return self.damage
        if self.other is None:
            return "only the current table has this row"
        if self.current is None:
            return "only the other table has this row"
        had, has = members(self.current), members(self.other)
        return ", ".join(
            name if name == "loans" else f"{name} {had.get(name)!r}, in the other {has.get(name)!r}"
            for name in self.fields
        )

    @property
    def holds(self) -> bool:
        """Whether one table holds the title and the other does not, or for another event."""
        held = [None if row is None else row.held for row in (self.current, self.other)]
        return held[0] != held[1]


class Compared(Struct, frozen=True):
    """The comparison of a partition, at the offset before ``following``."""

    partition: int
    following: int
    titles: int
    differences: list[RowDifference]
    moving: list[str]
    """Titles that were written all the time. They are not compared."""


def compare_tables(
    settings: "Settings",
    current: Table,
    other: Table,
    ends: dict[int, int],
    sample: int | None,
    report: Callable[[int], None],
) -> Iterator[Compared]:
    """Compare every partition, at a position at or after ``ends``; with ``sample`` about so many titles.

    All rows of one partition of both tables are in memory at a time. ``report`` gets the number of offsets
    compared so far. Raises Behind, and as ``read_partition``.
    """
    passed = 0
    per_partition = None if sample is None else -(-sample // len(ends))
    for partition, end in sorted(ends.items()):
        yield _compare(settings, current, other, partition, end, per_partition)
        passed += end
        report(passed)


def _compare(
    settings: "Settings", current: Table, other: Table, partition: int, end: int, sample: int | None
) -> Compared:
    readings = [table_parts(settings, table, partition, dict[bytes, bytes]()) for table in (current, other)]
    first = reached(settings, current, partition, end, readings[0])
    second = reached(settings, other, partition, end, readings[1])
    chosen: Collection[bytes] = _chosen(first.rows.keys() | second.rows.keys(), sample)
    titles, differences = len(chosen), list[RowDifference]()
    for _ in range(MAX_ROUNDS):
        low, high = sorted((first.next, second.next))
        # Both tables have the other titles as of the same position: no event between the two concerns them
        moving = _written_between(settings, partition, low, high) & set(chosen)
        differences += [
            difference
            for key in sorted(set(chosen) - moving)
            if first.rows.get(key) != second.rows.get(key)
            and (difference := _difference(key, first.rows, second.rows)) is not None
        ]
        chosen = moving
        if not chosen:
            break
        first, second = next(readings[0]), next(readings[1])
    return Compared(partition, low, titles, differences, [key.decode() for key in sorted(chosen)])


def _chosen(keys: Collection[bytes], sample: int | None) -> Collection[bytes]:
    """All keys, or the ``sample`` with the lowest checksums: the same ones each time."""
    return keys if sample is None else sorted(keys, key=crc32)[:sample]


def _written_between(settings: "Settings", partition: int, low: int, high: int) -> set[bytes]:
    """The keys of the rows that events between the offsets concern."""
    keys = set()
    for message in read_partition(settings, events_topic(settings), partition, low, end=high):
        try:
            keys.add(parse_title_key(message.key())[0].encode())
        except BadKey:
            # Such a record changes no row; it stops its partition
            continue
    return keys


def _difference(key: bytes, first: dict[bytes, bytes], second: dict[bytes, bytes]) -> RowDifference | None:
    """How the rows differ; None if they are only encoded under different schemas."""
    isbn = key.decode(errors="backslashreplace")
    try:
        current, other = inventory_row(first, isbn), inventory_row(second, isbn)
    except Undecodable as error:
        return RowDifference(isbn, None, None, f"a row can't be read: {error}")
    return None if current == other else RowDifference(isbn, current, other)
