import time
from itertools import islice

from benchmarks.growth.cases import CASES
from inventory.row_fold import fold
from schemas.row import InventoryRow
from tests.support.workload import OPENED, workload


def test_the_same_seed_gives_the_same_workload():
    assert list(islice(workload(50, 1), 500)) == list(islice(workload(50, 1), 500))
    assert list(islice(workload(50, 1), 500)) != list(islice(workload(50, 2), 500))


def test_workload_events_fold_and_time_never_goes_back():
    rows: dict[str, InventoryRow] = {}
    last = 0
    for _, version, event in islice(workload(50, 1), 5_000):
        row = rows[event.isbn] = fold(rows.get(event.isbn), version, event)
        assert row.version == version
        assert event.timestamp >= last
        last = event.timestamp
    assert len(rows) == 50


def test_a_workload_has_every_kind_of_event():
    kinds = {type(happened.event).__name__ for happened in islice(workload(2_000, 1), 20_000)}
    assert len(kinds) == 8


def test_the_last_event_of_the_largest_store_is_not_in_the_future() -> None:
    tried = 5_000
    *_, last = islice(workload(50, 1), tried)
    largest = max(case.events for case in CASES.values())
    assert OPENED + (last.event.timestamp - OPENED) * largest / tried < time.time() * 1_000
