from itertools import islice

from benchmarks.harness.store import fill
from benchmarks.rebuild.command import Result, medians
from benchmarks.rebuild.expected import independent_fold
from foundation.settings import Settings
from inventory.row_fold import fold
from schemas.codec import encode
from schemas.row import InventoryRow
from tests.support.workload import workload


def test_a_filled_store_folds_to_the_workloads_rows(settings: Settings):
    rows: dict[str, InventoryRow] = {}
    for _, version, event in islice(workload(100, 7), 1_500):
        rows[event.isbn] = fold(rows.get(event.isbn), version, event)

    written = fill(settings, islice(workload(100, 7), 1_500), transaction=50)

    assert written.events == 1_500
    assert independent_fold(settings) == {isbn: encode(row) for isbn, row in rows.items()}


def test_each_benchmark_figure_is_the_median_of_its_runs_on_the_same_store():
    runs = [
        Result("a", 2, 100, 1, 30, 5.0, 7),
        Result("b", 2, 100, 9, 9, 9.0, 9),
        Result("a", 1, 100, 8, 8, 8.0, 8),
        Result("a", 2, 100, 3, 20, 6.5, 8),
        Result("a", 2, 100, 2, 40, 5.5, 9),
    ]
    assert medians(runs) == [runs[2], Result("a", 2, 100, 2, 30, 5.5, 8), runs[1]]
