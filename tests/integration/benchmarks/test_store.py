from itertools import islice

from benchmarks.expected import independent_fold
from benchmarks.rebuild import Result, medians
from benchmarks.store import fill
from foundation.settings import Settings
from inventory.row_fold import fold
from schemas.row import InventoryRow
from tests.support.workload import workload


def test_a_filled_store_folds_to_the_workloads_rows(settings: Settings):
    rows: dict[str, InventoryRow] = {}
    for _, version, event in islice(workload(100, 7), 1_500):
        rows[event.isbn] = fold(rows.get(event.isbn), version, event)

    written = fill(settings, islice(workload(100, 7), 1_500), transaction=50)

    assert written.events == 1_500
    assert independent_fold(settings) == rows


def test_each_benchmark_figure_is_the_median_of_its_runs():
    runs = [Result("a", 10, 1, 30, 5.0, 7), Result("b", 10, 9, 9, 9.0, 9), Result("a", 10, 3, 20, 6.5, 8)]
    assert medians([*runs, Result("a", 10, 2, 40, 5.5, 9)]) == [Result("a", 10, 2, 30, 5.5, 8), runs[1]]
