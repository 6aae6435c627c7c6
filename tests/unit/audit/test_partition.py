"""The comparison of a partition, with records in memory instead of Kafka."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from audit import partition as module
from audit.differences import Difference, Verdict
from audit.partition import Partition
from audit.titles import Entry, Titles
from eventstore.keys import event_key
from eventstore.table_position import CODEC, POSITION_KEY, TablePosition
from inventory.row_fold import fold
from schemas.codec import encode, newest
from schemas.events import BookAdded
from schemas.row import InventoryRow
from tests.support.kafka_records import RECORDED_AT, Record


class Explainer:
    """Believes that each entry differs."""

    def explain(self, partition: int, following: int, entries: Sequence[Entry], at: int) -> Iterator[Verdict]:
        for entry in entries:
            difference = Difference(
                isbn=entry.key.decode(), fields=[], what="differs", event=None, record=None, position="",
                found_at=at, summary="",
            )  # fmt: skip
            yield Verdict(entry, difference, decided=True)


class System:
    """Events and rows of one partition."""

    def __init__(self, folder: Path) -> None:
        self.partition = Partition(0, "store", Titles(folder), Explainer(), 0)
        self._events = self._records = 0

    def add(self, *numbers: int) -> None:
        """Add titles, in events and rows."""
        for number in numbers:
            event = BookAdded(isbn_of(number), "T", "A", 1, RECORDED_AT)
            key = event_key(event.isbn, 1)
            self.partition.events.append(cast(Any, Record(self._events, key, encode(event))))
            self._events += 1
            self.write(fold(None, 1, event))
        self.move()

    def write(self, row: InventoryRow) -> None:
        """Write a row."""
        self._write(row.isbn.encode(), encode(row))

    def delete(self, number: int) -> None:
        """Delete the row of a title."""
        self._write(isbn_of(number).encode(), None)

    def move(self) -> None:
        """Write the position after all events."""
        self._write(POSITION_KEY, CODEC.encode(TablePosition("store", self._events)))

    def _write(self, key: bytes, value: bytes | None) -> None:
        self.partition.take_row(cast(Any, Record(self._records, key, value)))
        self._records += 1

    def compare(self) -> Partition:
        """Take the end of the changelog, and compare."""
        self.partition.take_end(self._records)
        self.partition.fold()
        assert self.partition.comparable
        self.partition.compare()
        return self.partition


def isbn_of(number: int) -> str:
    return f"{9780000000000 + number}"


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_each_row_is_compared_once_and_then_only_what_changes(system: System):
    system.add(*range(50))
    assert system.compare().compared == 50
    assert system.compare().compared == 50
    system.add(50, 51)
    assert system.compare().compared == 52
    assert system.partition.details == {}


def test_all_differences_are_counted_and_some_are_kept(system: System):
    many = module.MOST_DETAILS + 20
    system.add(*range(many))
    system.compare()
    for number in range(many):
        system.delete(number)
    partition = system.compare()
    assert (partition.differing, partition.found, len(partition.details)) == (many, many, module.MOST_DETAILS)
    # Found again in the next round, but not counted again
    partition.read_table(0)
    system.move()
    assert system.compare().found == many


def test_when_many_titles_change_at_once_all_are_compared(system: System, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_TOUCHED", 10)
    monkeypatch.setattr(module, "PAGE_ROWS", 7)
    system.add(*range(30))
    system.compare()
    system.add(*range(30, 45))
    assert system.partition.reading is False
    assert system.compare().compared == 30 + 45
    system.delete(3)
    assert system.compare().details.keys() == {isbn_of(3)}


def test_a_row_in_the_bytes_of_an_older_schema_is_recognised(system: System, monkeypatch: pytest.MonkeyPatch):
    system.add(1)
    system.compare()
    schema = newest("InventoryRow")
    monkeypatch.setattr(module, "newest", lambda name: schema._replace(id=schema.id + 1))
    system.write(fold(None, 1, BookAdded(isbn_of(1), "T", "A", 1, RECORDED_AT)))
    assert system.compare().details == {}
    assert system.partition.compared == 2


def test_the_oldest_row_is_as_old_as_the_reading_that_was_compared_or_the_event_that_waits(tmp_path: Path):
    system, now = System(tmp_path), [1000.0]
    system.partition = Partition(0, "store", Titles(tmp_path), Explainer(), 0, clock=lambda: now[0])
    assert system.partition.oldest() is None
    system.add(1)
    now[0] = 1010
    assert system.compare().oldest() == 1000
    system.partition.read_table(0)
    system.move()
    now[0] = 1020
    assert system.compare().oldest() == 1010
    now[0] = RECORDED_AT / 1000 + 60
    system.partition.read_table(0)
    system.add(2)
    system.compare()
    system.partition.events.append(cast(Any, Record(9, event_key(isbn_of(3), 1), b"")))
    assert system.partition.oldest() == RECORDED_AT / 1000
