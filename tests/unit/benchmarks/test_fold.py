"""The benchmark of the fold measures every way to fold, and all of them give the same rows."""

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks.fold import CONTESTANTS, main


def test_every_way_to_fold_is_measured_and_saved(tmp_path: Path):
    output = tmp_path / "fold.json"
    arguments = ["--titles", "20", "--events", "300", "--repeats", "1", "--output", str(output)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    results = json.loads(output.read_text())["results"]
    assert [result["fold"] for result in results] == list(CONTESTANTS)
    assert all(result["events_per_second"] > 0 for result in results)
