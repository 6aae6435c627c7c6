"""CI repeats failed tests once and names those that passed only then."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ci.programs import ROOT, load

rings = load("rings")
RING = rings.Ring("test", "tests", ("-n", "2"))
A, B, C = "tests/unit/test_a.py::test_a", "tests/unit/test_a.py::test_b[1]", "tests/unit/test_a.py::test_c"


def report(file: Path, **outcomes: str) -> None:
    """Write a JUnit report as pytest does; an outcome is passed, failure, error or skipped."""
    names = {"a": "test_a", "b": "test_b[1]", "c": "test_c"}
    cases = "".join(
        f'<testcase classname="tests.unit.test_a" name="{names[key]}">'
        + ("" if outcome == "passed" else f"<{outcome} message='it says why' />")
        + "</testcase>"
        for key, outcome in outcomes.items()
    )
    file.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


class Pytest:
    """Writes the prepared reports, one a call; ``None`` writes none."""

    def __init__(self, *runs: dict[str, str] | None, code: int = 1) -> None:
        self.runs, self.code = list(runs), code
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.calls.append(list(arguments))
        outcomes = self.runs.pop(0)
        if outcomes is None:
            return 4
        report(Path(arguments[2].removeprefix("--junit-xml=")), **outcomes)
        return self.code if {"failure", "error"} & set(outcomes.values()) else 0


def run(pytest: Pytest, folder: Path, ring: Any = RING) -> Any:
    return rings.run_ring(ring, pytest, folder)


def test_a_ring_that_passes_runs_once(tmp_path: Path):
    runner = Pytest({"a": "passed", "b": "skipped"})
    assert run(runner, tmp_path) == (True, [], [])
    assert len(runner.calls) == 1


def test_a_test_that_passes_only_when_repeated_is_flaky(tmp_path: Path):
    runner = Pytest({"a": "passed", "b": "failure", "c": "error"}, {"b": "passed", "c": "passed"})
    assert run(runner, tmp_path) == (True, [B, C], [])
    assert runner.calls[1][3:] == ["--last-failed", "--last-failed-no-failures=none"]


def test_a_test_that_fails_twice_fails_the_ring(tmp_path: Path):
    runner = Pytest({"a": "failure", "b": "failure"}, {"a": "passed", "b": "failure"})
    assert run(runner, tmp_path) == (False, [A], [B])


@pytest.mark.parametrize("second", [{}, {"b": "skipped"}])
def test_a_failed_test_that_was_not_repeated_fails_the_ring(tmp_path: Path, second: dict[str, str]):
    assert run(Pytest({"b": "failure"}, second), tmp_path) == (False, [], [B])


def test_another_failure_during_the_repetition_fails_the_ring(tmp_path: Path):
    runner = Pytest({"a": "failure"}, {"a": "passed", "c": "failure"})
    assert run(runner, tmp_path, rings.Ring("test", "tests", ("-n", "2"), repeat=())) == (False, [A], [C])
    assert len(runner.calls[1]) == 3


def test_a_run_without_a_report_is_not_repeated(tmp_path: Path):
    runner = Pytest(None)
    assert run(runner, tmp_path) == (False, [], ["make test: pytest ended with 4"])
    assert len(runner.calls) == 1


def test_an_incomplete_run_is_not_repeated_since_not_every_test_ran(tmp_path: Path):
    runner = Pytest({"a": "failure"}, code=3)
    assert run(runner, tmp_path) == (False, [], [A, "make test: pytest ended with 3"])
    assert len(runner.calls) == 1


def test_an_incomplete_repetition_fails_the_ring(tmp_path: Path):
    runner = Pytest({"a": "failure", "b": "failure"}, None)
    assert run(runner, tmp_path) == (False, [], [A, B, "make test: pytest ended with 4"])


def test_a_truncated_report_has_no_tests(tmp_path: Path):
    (tmp_path / "report.xml").write_text("<testsuites><testsuite>")
    assert rings.read_report(tmp_path / "report.xml") == (frozenset(), frozenset())


def test_the_last_lines_name_flaky_and_failed_tests():
    assert rings.summary([rings.Result(True, [], [])]) == ["passed; no test was flaky"]
    assert rings.summary([rings.Result(True, [A], []), rings.Result(True, [], [])]) == [
        f"FLAKY  {A}",
        "passed; 1 test passed only when repeated: find the cause of each",
    ]
    assert rings.summary([rings.Result(True, [A, B], []), rings.Result(False, [], [C])]) == [
        f"FLAKY  {A}",
        f"FLAKY  {B}",
        f"FAILED {C}",
        "failed; 2 tests passed only when repeated: find the cause of each",
    ]


def test_each_ring_has_the_arguments_of_its_make_target():
    for ring in rings.RINGS:
        # `make test ARGS=...` hands its own flags to the commands that it runs
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ARGS"))
        }
        done = subprocess.run(
            ["make", "-n", "-o", ".venv/.dev", ring.target],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert shlex.split(done.stdout.splitlines()[-1])[3:] == list(ring.arguments)
