"""The file of a benchmark's results."""

import json
from pathlib import Path

from benchmarks.harness.results import save, save_part


def test_a_part_that_was_measured_alone_stays_and_changes_nothing_else(tmp_path: Path):
    file = tmp_path / "results.json"
    save(file, {"results": [1], "seconds": 10})
    first = json.loads(file.read_text("utf-8"))
    save_part(file, "comparison", {"results": [0.9]})
    both = json.loads(file.read_text("utf-8"))
    part = both.pop("comparison")
    assert both == first
    assert part["results"] == [0.9]
    assert part.keys() >= {"machine", "date"}
    save(file, {"results": [2]})
    assert json.loads(file.read_text("utf-8")) == {
        **{name: value for name, value in first.items() if name != "seconds"},
        "results": [2],
        "comparison": part,
    }
