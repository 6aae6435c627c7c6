from itertools import islice

from inventory.row_fold import fold
from schemas.row import InventoryRow
from tests.support.workload import workload


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
