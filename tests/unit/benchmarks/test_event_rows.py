"""Rows of events in an SQLite file that several processes write."""

from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.event_rows import STATEMENT_ROWS, EventRows
from eventstore.reader import Batch
from eventstore.recorded import Recorded
from examples.loans_per_day.counts import TakenOver
from schemas.events import BookReturned, Event


def batch(part: int, start: int, events: int) -> Batch[Event]:
    records: list[Recorded[Event]] = [
        Recorded(part, start + number, 2, BookReturned("9781593275846", "ann", number), {})
        for number in range(events)
    ]
    return Batch(records, {part: start}, {part: start + events})


def test_rows_and_offsets_are_stored_together(tmp_path: Path) -> None:
    with closing(EventRows(tmp_path / "rows.db")) as one, closing(EventRows(tmp_path / "rows.db")) as other:
        one.store(batch(0, 0, 2 * STATEMENT_ROWS + 1))
        other.store(batch(1, 0, 1))
        assert one.offsets() == {0: 2 * STATEMENT_ROWS + 1, 1: 1}
        with pytest.raises(TakenOver):
            other.store(batch(0, 0, 3))
        assert one.count() == 2 * STATEMENT_ROWS + 2
