"""The whole event store folded once more, the plain way, and compared with what is kept of it."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from eventstore.keys import parse_event_key
from eventstore.partition_reader import read_partition
from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from inventory.projection import project
from library.checks.api_listing import Item, Listed, Listing, loan_item, title_item
from library.store.table_part import TablePart, table_parts
from schemas.codec import encode
from schemas.row import InventoryRow, Loan

if TYPE_CHECKING:
    from foundation.settings import Settings

EVERY = 1000
"""Events between two notes of progress."""


class Difference(Struct, frozen=True):
    """A row that is not as its events say, or a loan; None: there is none.

    ``where`` is ``table``, ``api`` or ``api loans``.
    """

    isbn: str
    where: str
    expected: InventoryRow | Item | None
    found: InventoryRow | Item | None

    @property
    def says(self) -> str:
        """What differs, without naming borrowers."""
        what = "loan" if self.where == "api loans" else "row"
        if self.found is None:
            return f"the {what} is missing"
        if self.expected is None:
            return f"there are no events that make this {what}"
        wanted, found = msgspec.to_builtins(self.expected), msgspec.to_builtins(self.found)
        names = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
        return ", ".join(
            name if name == "loans" else f"{name} {found.get(name)!r}, not {wanted.get(name)!r}"
            for name in names
        )


class Checked(Struct):
    """What was compared of one partition; ``following`` is the position that it was compared at."""

    partition: int
    following: int
    titles: int
    differences: list[Difference]


class Behind(Exception):
    """The table does not come to the end of the events."""


class OtherStore(Exception):
    """The table was made from another event store."""


def check(
    settings: "Settings", source: str, ends: dict[int, int], api: Listed | None, note: Callable[[int], None]
) -> Iterator[Checked]:
    """Compare every partition, at a position at or behind ``ends``.

    ``source`` names the event store as TablePosition does; ``note`` is told how many offsets up to ``ends``
    are done. Raises Behind, OtherStore, Gap for events that are missing, and as ``read_partition``.
    """
    passed = 0
    for partition, end in sorted(ends.items()):
        part = _at_least(settings, partition, end)
        if part.position is not None and part.position.source != source:
            raise OtherStore(
                f"the table was made from another event store, {part.position.source}, not {source}: delete "
                "the changelog topic, `library topics create`, and start the projector"
            )
        comparison = _Comparison(partition, settings.partitions, api)
        for message in read_partition(settings, events_topic(settings), partition, end=part.next):
            offset = message.offset() or 0
            isbn, version = parse_event_key(message.key())
            comparison.fold(isbn, version, offset, message.value())
            if offset % EVERY == 0:
                note(passed + min(offset, end))
        passed += end
        note(passed)
        yield comparison.checked(part)


def _at_least(settings: "Settings", partition: int, end: int) -> TablePart:
    """The partition once it has come to ``end`` and no replay is under way."""
    moved, best = time.monotonic(), -1
    for part in table_parts(settings, partition):
        if part.next >= end and not part.replaying:
            return part
        if part.next > best:
            moved, best = time.monotonic(), part.next
        elif time.monotonic() - moved > settings.deadline:
            raise Behind(
                f"the table stays at {part.next} of partition {partition}, the events go on to {end}: "
                "`library status` tells whether the projector runs, `library logs projector` why it waits"
            )
    raise AssertionError("a partition has no last state")


class _Comparison:
    """One partition's rows, as its events make them, beside what the query API told of it."""

    def __init__(self, partition: int, partitions: int, api: Listed | None) -> None:
        self._partition = partition
        self._rows: dict[str, InventoryRow] = {}
        self._titles: Listing[str, InventoryRow] | None = None
        self._loans: Listing[tuple[str, str], Loan] | None = None
        if api is not None:
            self._titles = Listing(
                {
                    item["isbn"]: item
                    for item in api.titles.items
                    if partition_of(item["isbn"], partitions) == partition
                },
                api.titles.position.get(partition, -1),
                title_item,
            )
            self._loans = Listing(
                {
                    (item["isbn"], item["user_id"]): {name: item[name] for name in _LOAN}
                    for item in api.loans.items
                    if partition_of(item["isbn"], partitions) == partition
                },
                api.loans.position.get(partition, -1),
                loan_item,
            )

    def fold(self, isbn: str, version: int, offset: int, value: bytes | None) -> None:
        before = self._rows.get(isbn)
        row = self._rows[isbn] = project(before, isbn, version, offset, value)
        if self._titles is None or self._loans is None or row is before:
            return
        self._titles.change(isbn, offset, None if row.removed else row)
        had, has = before.loans if before else (), row.loans
        if had is not has:
            for gone in set(had) - set(has):
                self._loans.change((isbn, gone.user_id), offset, None)
            for new in set(has) - set(had):
                self._loans.change((isbn, new.user_id), offset, new)

    def checked(self, part: TablePart) -> Checked:
        differences = [
            Difference(isbn, "table", self._rows.get(isbn), part.row(isbn))
            for isbn in sorted(self._rows.keys() | part.rows.keys())
            if isbn not in self._rows or part.rows.get(isbn) != encode(self._rows[isbn])
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


_LOAN = ("user_id", "borrowed_at", "due_at")
