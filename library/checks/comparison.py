"""Fold the whole event store again, and compare tables and query API with the result."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from eventstore.partition_reader import read_partition
from eventstore.topics import Table, events_topic
from foundation.memory import no_collections
from inventory.projection import project_log
from inventory.row_difference import differing
from library.checks.api_listing import Item, Listed, Listing, loan_item, title_item
from library.store.offsets import committed
from library.store.table_part import TablePart, table_parts
from schemas.codec import Undecodable, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow, Loan
from schemas.tables import is_projector_group

if TYPE_CHECKING:
    from foundation.settings import Settings

PROGRESS_EVENTS = 1000
"""Events between two reports of progress."""
_LOAN_FIELDS = ("user_id", "borrowed_at", "due_at")


class Difference(Struct, frozen=True):
    """A row or loan that differs from its events; None where it does not exist.

    ``where`` is ``table``, ``api`` or ``api loans``.
    """

    isbn: str
    where: str
    expected: InventoryRow | Item | None
    found: InventoryRow | Item | None
    unreadable: str = ""
    """Why the stored row can't be decoded."""

    @property
    def summary(self) -> str:
        """The fields that differ, without naming borrowers."""
        what = "loan" if self.where == "api loans" else "row"
        if self.unreadable:
            return f"the {what} can't be read: {self.unreadable}"
        if self.found is None:
            return f"the {what} is missing"
        if self.expected is None:
            return f"no events produce this {what}"
        wanted, found = msgspec.to_builtins(self.expected), msgspec.to_builtins(self.found)
        return ", ".join(
            name if name == "loans" else f"{name} {found.get(name)!r}, not {wanted.get(name)!r}"
            for name in differing(wanted, found)
        )


D = TypeVar("D", covariant=True)


class Checked(Struct, Generic[D]):
    """The comparison of one partition; ``following`` is the next offset after the position it was made at."""

    partition: int
    following: int
    rows: int
    differences: Sequence[D]


class Comparison(Protocol[D]):
    """Folds the events of one partition, then compares the result with the table."""

    def fold(self, message: Message) -> None:
        """Fold the next event in."""

    def checked(self, part: TablePart) -> Checked[D]:
        """Compare the rows with ``part``, which has the same events."""


class Behind(Exception):
    """The table does not reach the end of the events within the deadline."""


class OtherStore(Exception):
    """The table was made from another event store."""


def check(
    settings: "Settings",
    table: Table,
    source: str,
    ends: dict[int, int],
    api: Listed | None,
    report: Callable[[int], None],
) -> Iterator[Checked[Difference]]:
    """Compare every partition of an inventory table, as ``compare`` does."""
    return compare(settings, table, source, ends, lambda p: _InventoryComparison(p, api), report)


def compare(
    settings: "Settings",
    table: Table,
    source: str,
    ends: dict[int, int],
    comparison_of: Callable[[int], Comparison[D]],
    report: Callable[[int], None],
) -> Iterator[Checked[D]]:
    """Compare every partition of ``table``, at a position at or after ``ends``.

    ``source`` names the event store as TablePosition does; ``comparison_of`` begins the comparison of a
    partition; ``report`` gets the number of offsets compared so far. Raises Behind, OtherStore, and as
    ``read_partition``.
    """
    passed = 0
    for partition, end in sorted(ends.items()):
        part = reached(settings, table, partition, end)
        if part.position is not None and part.position.source != source:
            raise OtherStore(
                f"the table was made from another event store, {part.position.source}, not {source}"
            )
        # All rows of the partition stay in memory until they are compared
        with no_collections():
            comparison = comparison_of(partition)
            for message in read_partition(settings, events_topic(settings), partition, end=part.next):
                offset = message.offset() or 0
                comparison.fold(message)
                if offset % PROGRESS_EVENTS == 0:
                    report(passed + min(offset, end))
            passed += end
            report(passed)
            checked = comparison.checked(part)
        yield checked


def reached(
    settings: "Settings", table: Table, partition: int, end: int, parts: Iterator[TablePart] | None = None
) -> TablePart:
    """The partition once it has reached ``end`` and no replay is running. Raises Behind.

    ``parts`` continues a reading of the partition.
    """
    topic = events_topic(settings)
    advanced_at, best, offsets = time.monotonic(), -1, None
    for part in parts or table_parts(settings, table, partition):
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


class _InventoryComparison:
    """One partition's rows folded from its events, beside the items that the query API listed."""

    def __init__(self, partition: int, api: Listed | None) -> None:
        self._partition = partition
        self._rows: dict[str, InventoryRow] = {}
        self._titles: Listing[str, InventoryRow] | None = None
        self._loans: Listing[tuple[str, str], Loan] | None = None
        if api is not None:
            self._titles = Listing(
                {item["isbn"]: item for item in api.titles.of(partition)},
                api.titles.position.get(partition, -1),
                title_item,
            )
            self._loans = Listing(
                {
                    (item["isbn"], item["user_id"]): {name: item[name] for name in _LOAN_FIELDS}
                    for item in api.loans.of(partition)
                },
                api.loans.position.get(partition, -1),
                loan_item,
            )

    def fold(self, message: Message) -> None:
        isbn, version = parse_title_key(message.key())
        offset, before = message.offset() or 0, self._rows.get(isbn)
        row = self._rows[isbn] = project_log(before, isbn, version, offset, message.value())
        if self._titles is None or self._loans is None or row is before:
            return
        self._titles.change(isbn, offset, None if row.removed else row)
        had, has = before.loans if before else (), row.loans
        if had is not has:
            for gone in set(had) - set(has):
                self._loans.change((isbn, gone.user_id), offset, None)
            for new in set(has) - set(had):
                self._loans.change((isbn, new.user_id), offset, new)

    def checked(self, part: TablePart) -> Checked[Difference]:
        differences = [
            _row_difference(part, isbn, self._rows.get(isbn))
            for isbn in sorted(self._rows.keys() | {key.decode(errors="replace") for key in part.rows})
            if isbn not in self._rows or not _holds(part, self._rows[isbn])
        ]
        if self._titles is not None:
            differences += [
                Difference(isbn, "api", None if row is None else title_item(row), item)
                for isbn, row, item in self._titles.differences()
            ]
        if self._loans is not None:
            differences += [
                Difference(isbn, "api loans", None if loan is None else loan_item(loan), item)
                for (isbn, _), loan, item in self._loans.differences()
            ]
        return Checked(self._partition, part.next, len(self._rows), differences)


def _holds(part: TablePart, row: InventoryRow) -> bool:
    """Whether the table has this row, perhaps encoded under an older schema."""
    if part.rows.get(row.isbn.encode()) == encode(row):
        return True
    try:
        return part.row(row.isbn) == row
    except Undecodable:
        return False


def _row_difference(part: TablePart, isbn: str, expected: InventoryRow | None) -> Difference:
    try:
        return Difference(isbn, "table", expected, part.row(isbn))
    except Undecodable as error:
        return Difference(isbn, "table", expected, None, str(error))
