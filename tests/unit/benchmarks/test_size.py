"""The table of sizes: growth, and figures of several runs."""

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.size.command import growth, merged, table
from benchmarks.size.programs import Figure

SMALL, LARGE = Figure("backup", "µs/event", 20, 10.0), Figure("backup", "µs/event", 200, 25.0)


@pytest.mark.parametrize(("unit", "expected"), [("µs/event", 2.5), ("MB", 2.5), ("requests/s", 0.4)])
def test_a_rate_that_rises_is_a_cost_that_falls(unit: str, expected: float):
    assert growth(Figure("p", unit, 20, 10.0), Figure("p", unit, 200, 25.0)) == expected


def test_a_run_of_one_size_keeps_the_figures_of_the_others(tmp_path: Path):
    file = tmp_path / "size.json"
    file.write_text(json.dumps({"results": msgspec.to_builtins([SMALL, LARGE])}), "utf-8")
    again = Figure("backup", "µs/event", 200, 11.0)
    assert merged(file, [again]) == [SMALL, again]
    other = Figure("restore", "MB", 200, 1.0)
    assert merged(file, [other]) == [SMALL, LARGE, other]


def test_the_table_leaves_out_what_was_not_measured():
    names, rows = table([LARGE, SMALL, Figure("replay", "MB", 200, 7.0)])
    assert names[2:] == ["20", "200", "growth to 200"]
    assert rows == [["backup", "µs/event", 10.0, 25.0, 2.5], ["replay", "MB", "", 7.0, ""]]
