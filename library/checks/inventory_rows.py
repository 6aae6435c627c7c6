"""Compare the inventory table and the query API with the events."""

from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import msgspec
from confluent_kafka import Message
from msgspec import Struct
from msgspec.msgpack import Decoder

from eventstore.topics import Table
from foundation.memory import return_free_memory
from inventory.projection import project_log
from inventory.row_difference import differing
from library.checks.api_listing import (
    Item,
    Listed,
    LoanListing,
    TitleListing,
    loan_item,
    loan_listing,
    title_item,
    title_listing,
)
from library.checks.comparison import Checked, Comparison, compare
from library.checks.slices import Slices, slices_for
from library.store.table_part import inventory_row
from schemas.codec import Undecodable, encode
from schemas.records import parse_title_key
from schemas.row import InventoryRow

if TYPE_CHECKING:
    from foundation.settings import Settings

PUT_ASIDE = 0.3
"""The share of the work that is done when the events of a partition were put aside."""
_WHERE = ("table", "api", "api loans")


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


def check(
    settings: "Settings",
    table: Table,
    source: str,
    ends: dict[int, int],
    api: Listed | None,
    report: Callable[[int], None],
) -> Iterator[Checked[Difference]]:
    """Compare every partition of an inventory table, as ``compare`` does. Raises also OSError."""

    def begun(partition: int, end: int, done: Callable[[float], None]) -> Comparison[Difference]:
        file.seek(0)
        file.truncate()
        return _InventoryComparison(partition, end, api, file, done)

    with TemporaryFile() as file:
        yield from compare(settings, table, source, ends, begun, report)


class _Event(Struct, array_like=True, gc=False):
    isbn: str
    version: int
    offset: int
    value: bytes | None


class _Change(Struct, array_like=True, gc=False):
    """A row as the table's changelog has it; None: it was deleted."""

    key: bytes
    row: bytes | None


class _Rows:
    """The rows of a partition of the table, put aside as they are read."""

    def __init__(self, slices: Slices[_Change]) -> None:
        self._slices = slices

    def __setitem__(self, key: bytes, row: bytes) -> None:
        self._slices.add(_isbn(key), _Change(key, row))

    def pop(self, key: bytes, _: None) -> None:
        self._slices.add(_isbn(key), _Change(key, None))

    def write(self) -> None:
        self._slices.write()

    def of(self, number: int) -> dict[bytes, bytes]:
        """The rows of a slice."""
        last = {change.key: change.row for change in self._slices.of(number)}
        return {key: row for key, row in last.items() if row is not None}


class _InventoryComparison:
    """Puts a partition's rows and events aside in ``file``, then compares one slice of titles at a time."""

    reading = PUT_ASIDE

    def __init__(
        self,
        partition: int,
        events: int,
        api: Listed | None,
        file: IO[bytes],
        done: Callable[[float], None],
    ) -> None:
        self._partition, self._api, self._done = partition, api, done
        self._slices = slices_for(events)
        self._events = Slices(file, self._slices, Decoder(list[_Event]))
        self.rows = _Rows(Slices(file, self._slices, Decoder(list[_Change])))
        self._listed_titles = Slices(file, self._slices, Decoder(list[Item]))
        self._listed_loans = Slices(file, self._slices, Decoder(list[Item]))
        if api is not None:
            for item in api.titles.of(partition):
                self._listed_titles.add(item["isbn"], item)
            for item in api.loans.of(partition):
                self._listed_loans.add(item["isbn"], item)
        self._listed_titles.write()
        self._listed_loans.write()

    def fold(self, message: Message) -> None:
        isbn, version = parse_title_key(message.key())
        self._events.add(isbn, _Event(isbn, version, message.offset() or 0, message.value()))

    def checked(self, following: int) -> Checked[Difference]:
        self.rows.write()
        self._events.write()
        # What was fetched ahead takes as much as a slice
        return_free_memory()
        rows, differences = 0, list[Difference]()
        for number in range(self._slices):
            titles = self._folded(number)
            rows += titles.rows
            differences += titles.differences()
            self._done(PUT_ASIDE + (1 - PUT_ASIDE) * (number + 1) / self._slices)
        differences.sort(key=lambda one: (_WHERE.index(one.where), one.isbn))
        return Checked(self._partition, following, rows, differences)

    def _folded(self, number: int) -> "_Titles":
        titles = loans = None
        if self._api is not None:
            titles_at, loans_at = (
                items.position.get(self._partition, -1) for items in (self._api.titles, self._api.loans)
            )
            titles = title_listing(self._listed_titles.of(number), titles_at)
            loans = loan_listing(self._listed_loans.of(number), loans_at)
        found = _Titles(self.rows.of(number), titles, loans)
        for event in self._events.of(number):
            found.fold(event.isbn, event.version, event.offset, event.value)
        return found


class _Titles:
    """Rows of some titles of a partition, folded from the events, beside what table and query API have."""

    def __init__(
        self, stored: dict[bytes, bytes], titles: TitleListing | None, loans: LoanListing | None
    ) -> None:
        self._stored, self._titles, self._loans = stored, titles, loans
        self._rows: dict[str, InventoryRow] = {}

    @property
    def rows(self) -> int:
        return len(self._rows)

    def fold(self, isbn: str, version: int, offset: int, value: bytes | None) -> None:
        before = self._rows.get(isbn)
        row = self._rows[isbn] = project_log(before, isbn, version, offset, value)
        if self._titles is None or self._loans is None or row is before:
            return
        self._titles.change(isbn, offset, None if row.removed else row)
        had, has = before.loans if before else (), row.loans
        if had is not has:
            for gone in set(had) - set(has):
                self._loans.change((isbn, gone.user_id), offset, None)
            for new in set(has) - set(had):
                self._loans.change((isbn, new.user_id), offset, new)

    def differences(self) -> Iterator[Difference]:
        for isbn in self._rows.keys() | set(map(_isbn, self._stored)):
            if isbn not in self._rows or not _holds(self._stored, self._rows[isbn]):
                yield _row_difference(self._stored, isbn, self._rows.get(isbn))
        if self._titles is not None:
            for isbn, row, item in self._titles.differences():
                yield Difference(isbn, "api", None if row is None else title_item(row), item)
        if self._loans is not None:
            for (isbn, _), loan, item in self._loans.differences():
                yield Difference(isbn, "api loans", None if loan is None else loan_item(loan), item)


def _isbn(key: bytes) -> str:
    return key.decode(errors="replace")


def _holds(stored: dict[bytes, bytes], row: InventoryRow) -> bool:
    """Whether the table has this row, perhaps encoded under an older schema."""
    if stored.get(row.isbn.encode()) == encode(row):
        return True
    try:
        return inventory_row(stored, row.isbn) == row
    except Undecodable:
        return False


def _row_difference(stored: dict[bytes, bytes], isbn: str, expected: InventoryRow | None) -> Difference:
    try:
        return Difference(isbn, "table", expected, inventory_row(stored, isbn))
    except Undecodable as error:
        return Difference(isbn, "table", expected, None, str(error))
