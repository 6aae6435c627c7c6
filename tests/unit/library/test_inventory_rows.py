"""Rows and listed items are compared with events, slice by slice of the titles, as if all were one slice."""

from itertools import islice
from tempfile import TemporaryFile

import pytest
from msgspec.structs import replace

from eventstore.table_position import TablePosition
from foundation.settings import Settings
from inventory.projection import project_log
from library.checks import comparison, inventory_rows, slices
from library.checks.api_listing import Items, Listed, loan_item, title_item
from library.checks.comparison import Checked
from library.checks.inventory_rows import Difference, _InventoryComparison, check
from library.store.table_part import TablePart
from schemas.codec import encode
from schemas.row import InventoryRow
from schemas.topics import INVENTORY
from tests.support.kafka_records import message
from tests.support.workload import workload

TITLES, EVENTS = 40, 1500
STRAY = InventoryRow("9789999999991", "stray", "", 1, 1, (), False, 1, 1_763_900_000_000)


class Store:
    """One partition: its events, and the rows and items that they produce, for tests to damage."""

    def __init__(self, folder, listed_at=EVENTS - 1):
        self._folder, self._listed_at = folder, listed_at
        self.messages, self.rows, self.reports = [], dict[str, InventoryRow](), list[float]()
        for offset, step in enumerate(islice(workload(TITLES, 1), EVENTS)):
            isbn, value = step.event.isbn, encode(step.event)
            self.messages.append(message(offset, isbn, step.version, value))
            self.rows[isbn] = project_log(self.rows.get(isbn), isbn, step.version, offset, value)
            if offset == listed_at:
                shown = [row for row in self.rows.values() if not row.removed]
        self.stored = {isbn.encode(): encode(row) for isbn, row in self.rows.items()}
        self.titles = {row.isbn: title_item(row) for row in shown}
        self.loans = [{"isbn": row.isbn} | loan_item(loan) for row in shown for loan in row.loans]

    def checked(self) -> Checked[Difference]:
        """The comparison of all of it."""
        listed = Listed(self._items("inventory", self.titles.values()), self._items("loans", self.loans))
        with TemporaryFile() as file:
            begun = _InventoryComparison(0, EVENTS, listed, file, self.reports.append)
            for key, row in self.stored.items():
                begun.rows[key] = row
            for one in self.messages:
                begun.fold(one)
            return begun.checked(EVENTS)

    def _items(self, route, listed) -> Items:
        items = Items(self._folder, route, 1)
        items.add(listed)
        items.position = {0: self._listed_at}
        return items


@pytest.fixture(params=[1, 6])
def count(request, monkeypatch) -> int:
    """The number of slices that the store has."""
    monkeypatch.setattr(slices, "EVENTS", -(-EVENTS // request.param))
    return request.param


@pytest.mark.parametrize("listed_at", [EVENTS // 3, EVENTS - 1])
def test_a_sound_table_and_what_was_listed_while_events_came_have_no_differences(tmp_path, count, listed_at):
    store = Store(tmp_path, listed_at)
    checked = store.checked()
    assert (checked.partition, checked.following, checked.rows) == (0, EVENTS, TITLES)
    assert checked.differences == []
    assert len(store.reports) == count
    assert store.reports[-1] == pytest.approx(1)
    assert store.reports == sorted(store.reports)


def test_each_difference_is_found_and_they_are_sorted_by_isbn(tmp_path, count):
    store = Store(tmp_path)
    changed, missing, damaged, stale, unlisted = sorted(row.isbn for row in store.rows.values() if row.loans)[
        :5
    ]
    store.stored[changed.encode()] = encode(replace(store.rows[changed], title="other"))
    store.stored[damaged.encode()] = b"damaged"
    store.stored[STRAY.isbn.encode()] = encode(STRAY)
    store.stored.pop(missing.encode())
    store.titles[stale]["available"] += 1
    store.titles.pop(unlisted)
    store.titles[STRAY.isbn] = title_item(STRAY)
    returned = next(loan for loan in store.loans if loan["isbn"] == stale)
    store.loans.remove(returned)
    store.loans.append(returned | {"isbn": STRAY.isbn})
    found = [(one.isbn, one.where, one.summary) for one in store.checked().differences]
    row = store.rows[stale]
    assert found == [
        (changed, "table", f"title 'other', not {store.rows[changed].title!r}"),
        (missing, "table", "the row is missing"),
        (damaged, "table", "the row can't be read: first byte 100, not 0"),
        (STRAY.isbn, "table", "no events produce this row"),
        (stale, "api", f"available {row.available + 1}, not {row.available}"),
        (unlisted, "api", "the row is missing"),
        (STRAY.isbn, "api", "no events produce this row"),
        (stale, "api loans", "the loan is missing"),
        (STRAY.isbn, "api loans", "no events produce this loan"),
    ]


def test_of_the_rows_of_a_changelog_the_last_ones_count(count):
    one, other, gone = (b"978159327584%d" % number for number in range(3))
    with TemporaryFile() as file:
        rows = _InventoryComparison(0, EVENTS, None, file, lambda _: None).rows
        for key, row in ((one, b"1"), (other, b"1"), (gone, b"1"), (one, b"2"), (one, b"3")):
            rows[key] = row
        for key in (gone, other):
            rows.pop(key, None)
        rows[other] = b"2"
        rows.write()
        found = dict[bytes, bytes]()
        for number in range(count):
            found |= rows.of(number)
    assert found == {one: b"3", other: b"2"}


def test_the_file_has_one_partition_at_a_time(tmp_path, monkeypatch):
    store, file, sizes = Store(tmp_path), tmp_path / "aside", list[int]()

    def parts(settings, table, partition, rows):
        for key, row in store.stored.items():
            rows[key] = row
        yield TablePart(rows=rows, position=TablePosition("source", EVENTS))

    monkeypatch.setattr(comparison, "table_parts", parts)
    monkeypatch.setattr(comparison, "read_partition", lambda *arguments, end: store.messages)
    monkeypatch.setattr(inventory_rows, "TemporaryFile", lambda: file.open("w+b"))
    for partitions in (1, 3):
        ends = dict.fromkeys(range(partitions), EVENTS)
        found = list(check(Settings(), INVENTORY, "source", ends, None, lambda _: None))
        assert [(one.rows, one.differences) for one in found] == [(TITLES, [])] * partitions
        sizes.append(file.stat().st_size)
    assert sizes[0] == sizes[1] > 0
