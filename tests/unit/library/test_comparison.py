"""Partitions are compared one after the other: what is reported meanwhile, and what stays in memory."""

import weakref

import pytest

from eventstore.table_position import TablePosition
from foundation.settings import Settings
from library.checks import comparison
from library.checks.comparison import Checked, compare
from library.store.table_part import TablePart
from schemas.topics import INVENTORY
from tests.support.kafka_records import message

ISBN = "9781593275846"


class _Rows(dict):
    """Rows that tests see freed."""


class _Comparison:
    """Has no differences, and reports that half of its work comes after reading."""

    reading = 0.5

    def __init__(self, partition, done):
        self._partition, self._done, self._events, self.rows = partition, done, 0, _Rows()

    def fold(self, _):
        self._events += 1

    def checked(self, following):
        assert following == self._events
        self._done(0.75)
        return Checked(self._partition, following, len(self.rows), ())


@pytest.fixture
def ends(monkeypatch) -> dict[int, int]:
    """A store without Kafka, and where its partitions end: their tables have come as far."""
    ends = {0: 4000, 1: 2000, 2: 0}

    def reached(settings, table, partition, end, parts):
        return next(parts)

    def parts(settings, table, partition, rows):
        rows[b"row"] = b""
        yield TablePart(rows=rows, position=TablePosition("source", ends[partition]))

    def read(settings, topic, partition, *, end):
        return (message(offset, ISBN, offset + 1, None) for offset in range(ends[partition]))

    monkeypatch.setattr(comparison, "reached", reached)
    monkeypatch.setattr(comparison, "table_parts", parts)
    monkeypatch.setattr(comparison, "read_partition", read)
    return ends


def test_progress_grows_while_a_partition_is_read_and_while_it_is_compared(ends):
    reports = list[int]()

    def begun(partition, end, done):
        return _Comparison(partition, done)

    found = compare(Settings(), INVENTORY, "source", ends, begun, reports.append)
    assert [(one.partition, one.following, one.rows) for one in found] == [
        (0, 4000, 1),
        (1, 2000, 1),
        (2, 0, 1),
    ]
    first, second = [0, 500, 1000, 1500, 3000, 4000], [4000, 4500, 5500, 6000]
    assert reports == [*first, *second, 6000, 6000]


def test_nothing_of_a_partition_is_in_memory_while_the_next_one_is_read(ends):
    begun = list[weakref.ref]()

    def comparison_of(partition, end, done):
        assert [one() for one in begun] == [None] * len(begun)
        started = _Comparison(partition, done)
        begun.extend((weakref.ref(started), weakref.ref(started.rows)))
        return started

    assert len(list(compare(Settings(), INVENTORY, "source", ends, comparison_of, lambda _: None))) == 3
    assert len(begun) == 6
