"""The table and the plot of growth, and the store of one title."""

import json
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks.growth.cases import BASE, CASES, HOT_COPIES, LARGE, SMALL, hot_title
from benchmarks.growth.command import Grown, cost, merged, table
from benchmarks.growth.plot import plot
from inventory.row_fold import fold
from schemas.row import InventoryRow

FIGURES = [
    Grown(SMALL, "rebuild", "events/s", 40_000),
    Grown(BASE, "rebuild", "events/s", 20_000),
    Grown(LARGE, "rebuild", "events/s", 10_000),
    Grown("one title", "rebuild", "events/s", 80_000),
    Grown(BASE, "verify", "MB", 100),
]


@pytest.mark.parametrize(("unit", "expected"), [("events/s", 2.0), ("MB", 0.5)])
def test_a_rate_that_falls_is_a_cost_that_rises(unit: str, expected: float) -> None:
    assert cost(Grown(LARGE, "p", unit, 50), Grown(BASE, "p", unit, 100)) == expected


def test_the_table_has_each_value_with_its_cost_relative_to_that_in_the_store_in_the_middle() -> None:
    names, rows = table(FIGURES)
    assert names == ["part", "unit", SMALL, BASE, LARGE, "one title"]
    assert rows[0] == ["rebuild", "events/s", "40,000 (0.5)", "20,000 (1.0)", "10,000 (2.0)", "80,000 (0.25)"]
    assert rows[1] == ["verify", "MB", "", "100 (1.0)", "", ""]


def test_a_run_of_one_part_keeps_the_figures_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "growth.json"
    file.write_text(json.dumps({"results": msgspec.to_builtins(FIGURES)}), "utf-8")
    again = Grown(BASE, "verify", "MB", 90)
    assert merged(file, [again]) == [*FIGURES[:2], again, *FIGURES[2:4]]


def test_the_plot_has_a_panel_for_each_figure_with_several_sizes() -> None:
    drawn = ElementTree.fromstring(plot(FIGURES))
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text and "," in text] == ["rebuild, events/s"]
    assert {"0.50", "1.00", "2.00", "100 k", "1 M", "10 M"} <= set(texts)


def test_the_events_of_the_hot_title_are_valid_and_nearly_all_its_copies_are_on_loan() -> None:
    row: InventoryRow | None = None
    for _, version, event in islice(hot_title(1, CASES["one title"].events), 1_000):
        row = fold(row, version, event)
        assert row.version == version
        assert row.held is None
    assert row is not None
    assert row.available <= 1
    assert row.quantity == HOT_COPIES
