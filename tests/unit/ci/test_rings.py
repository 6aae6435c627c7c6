"""CI repeats failed tests once and names those that passed only then."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ci.programs import ROOT, load

rings = load("rings")
RING = rings.Ring("test", "tests")
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


class Make:
    """Writes the prepared reports, one a call; ``None`` writes none."""

    def __init__(self, *runs: dict[str, str] | None) -> None:
        self.runs = list(runs)
        self.calls: list[list[str]] = []

    def __call__(self, target: str, arguments: Sequence[str]) -> int:
        self.calls.append(list(arguments))
        outcomes = self.runs.pop(0)
        if outcomes is None:
            return 2
        report(Path(arguments[0].removeprefix("--junit-xml=")), **outcomes)
        return 2 if {"failure", "error"} & set(outcomes.values()) else 0


def run(make: Make, folder: Path, ring: Any = RING) -> Any:
    return rings.run_ring(ring, make, folder)


def test_a_ring_that_passes_runs_once(tmp_path: Path):
    make = Make({"a": "passed", "b": "skipped"})
    assert run(make, tmp_path) == (True, [], [])
    assert len(make.calls) == 1


def test_a_test_that_passes_only_when_repeated_is_flaky(tmp_path: Path):
    make = Make({"a": "passed", "b": "failure", "c": "error"}, {"b": "passed", "c": "passed"})
    assert run(make, tmp_path) == (True, [B, C], [])
    assert make.calls[1][1:] == ["--last-failed", "--last-failed-no-failures=none"]


def test_a_test_that_fails_twice_fails_the_ring(tmp_path: Path):
    make = Make({"a": "failure", "b": "failure"}, {"a": "passed", "b": "failure"})
    assert run(make, tmp_path) == (False, [A], [B])


@pytest.mark.parametrize("second", [{}, {"b": "skipped"}, None])
def test_a_failed_test_that_was_not_repeated_fails_the_ring(tmp_path: Path, second: dict[str, str] | None):
    assert run(Make({"b": "failure"}, second), tmp_path) == (False, [], [B])


def test_another_failure_during_the_repetition_fails_the_ring(tmp_path: Path):
    make = Make({"a": "failure"}, {"a": "passed", "c": "failure"})
    assert run(make, tmp_path, rings.Ring("test", "tests", repeat=())) == (False, [A], [C])
    assert len(make.calls[1]) == 1


def test_a_run_that_fails_without_a_failed_test_is_not_repeated(tmp_path: Path):
    make = Make(None)
    assert run(make, tmp_path) == (False, [], ["make test"])
    assert len(make.calls) == 1


def test_an_error_of_pytest_during_the_repetition_fails_the_ring(tmp_path: Path):
    def make(target: str, arguments: Sequence[str]) -> int:
        report(
            Path(arguments[0].removeprefix("--junit-xml=")), a="failure" if len(arguments) == 1 else "passed"
        )
        return 2

    assert rings.run_ring(RING, make, tmp_path) == (False, [A], ["make test"])


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


def test_the_rings_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for ring in rings.RINGS:
        assert f"\n{ring.target}: " in makefile
