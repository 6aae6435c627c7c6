"""Runs the test rings in turn, repeats failed tests once, and names those that passed only then.

A flaky test is a bug: the last lines of the output list each one. A test that fails twice fails the run.
A ring whose run was not complete (a crash of pytest, an interrupt) fails at once.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

FAILED_ONLY = ("--last-failed", "--last-failed-no-failures=none")
TESTS_FAILED = 1
"""The exit code of pytest after a complete run with failed tests."""

Pytest = Callable[[Sequence[str]], int]
"""Runs pytest with arguments; returns the exit code."""


class Ring(NamedTuple):
    """Tests of one make target, which runs pytest with the same arguments."""

    target: str
    title: str
    arguments: tuple[str, ...]
    repeat: tuple[str, ...] = FAILED_ONLY


class Report(NamedTuple):
    """Names of the tests in a JUnit report."""

    passed: frozenset[str]
    failed: frozenset[str]


class Result(NamedTuple):
    """Outcome of one ring."""

    passed: bool
    flaky: list[str]
    failed: list[str]


RINGS = (
    Ring(
        "test",
        "unit, integration and system tests",
        ("-n", "3", "-m", "not slow and not containers and not page"),
    ),
    Ring(
        "test-faults",
        "long fault scenarios",
        ("-n", "2", "-m", "slow", "tests/integration", "tests/system", "tests/chaos"),
    ),
    Ring("test-page", "the page in a browser; skipped tests say why", ("-m", "page", "tests/page")),
    Ring("test-three-brokers", "three brokers, frozen and killed", ("-m", "slow", "tests/three_brokers")),
    # These tests share one system and depend on their order
    Ring(
        "test-containers",
        "docker compose and testcontainers; skipped tests say why",
        ("-m", "containers", "tests/containers"),
        repeat=(),
    ),
)


def read_report(file: Path) -> Report:
    """Parse a JUnit report. A missing or truncated file has no tests."""
    passed, failed = set(), set()
    try:
        cases = list(ElementTree.parse(file).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed.add(name)
        elif "skipped" not in outcomes:
            passed.add(name)
    # A test that passes and whose fixture then fails may be in the report twice
    return Report(frozenset(passed - failed), frozenset(failed))


def run_ring(ring: Ring, pytest: Pytest, folder: Path) -> Result:
    """Run a ring; repeat its failed tests once."""
    first, second = folder / f"{ring.target}-1.xml", folder / f"{ring.target}-2.xml"
    code = pytest([*ring.arguments, f"--junit-xml={first}"])
    if code == 0:
        return Result(True, [], [])
    failed = read_report(first).failed
    if code != TESTS_FAILED or not failed:
        return Result(False, [], [*sorted(failed), f"make {ring.target}: pytest ended with {code}"])
    print(f"\n== {len(failed)} failed; repeating once", flush=True)
    code = pytest([*ring.arguments, f"--junit-xml={second}", *ring.repeat])
    repeated = read_report(second)
    flaky = failed & repeated.passed
    broken = sorted((failed | repeated.failed) - flaky)
    if code not in (0, TESTS_FAILED):
        broken.append(f"make {ring.target}: pytest ended with {code}")
    return Result(not broken, sorted(flaky), broken)


def summary(results: Sequence[Result]) -> list[str]:
    """The last lines of the output."""
    flaky = [name for result in results for name in result.flaky]
    failed = [name for result in results for name in result.failed]
    lines = [f"FLAKY  {name}" for name in flaky] + [f"FAILED {name}" for name in failed]
    outcome = "failed" if failed else "passed"
    if flaky:
        tests = "1 test" if len(flaky) == 1 else f"{len(flaky)} tests"
        return [*lines, f"{outcome}; {tests} passed only when repeated: find the cause of each"]
    return [*lines, f"{outcome}; no test was flaky"]


def main() -> int:
    """Run all rings until one fails. Returns the exit code."""
    begin = time.monotonic()
    results: list[Result] = []

    def pytest(arguments: Sequence[str]) -> int:
        # With it a crash after the last test, when pytest has let go of its handler, says where it was
        command = [sys.executable, "-X", "faulthandler", "-m", "pytest", *arguments]
        return subprocess.run(command, check=False).returncode

    with tempfile.TemporaryDirectory() as folder:
        for ring in RINGS:
            print(f"\n== {ring.title} (minute {int(time.monotonic() - begin) // 60})", flush=True)
            results.append(run_ring(ring, pytest, Path(folder)))
            if not results[-1].passed:
                break
    minutes = int(time.monotonic() - begin) // 60
    print(f"\n== result (minute {minutes})", *summary(results), sep="\n")
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
