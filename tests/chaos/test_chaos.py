"""The scripted scenario with every mutant, and a short chaos run; ``make chaos`` runs for longer."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventstore.append.writer import Writer
from foundation.settings import Settings
from tests.chaos.brokers import brokers_in
from tests.chaos.checker import Checker
from tests.chaos.forwarding_scene import PARTITIONS, play_forwarding
from tests.chaos.mutants import FORWARDING_MUTANTS, MUTANTS, NAMES_MUTANTS
from tests.chaos.names_scene import play_names
from tests.chaos.patron_desk import USERS
from tests.chaos.plan import Plan
from tests.chaos.run import Run
from tests.chaos.scenario import play, write_scene
from tests.chaos.verdict.judge import MODULE, build, judge


@pytest.fixture
def store(new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A system with one partition, and a writer that soon gives up waiting for the log's end."""
    monkeypatch.setattr("eventstore.append.catch_up.PATIENCE_S", 2.0)
    return new_settings(partitions=1)


@pytest.fixture(scope="module")
def porcupine(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The Go program that judges histories; None without Go."""
    return build(tmp_path_factory.mktemp("verdict")) if shutil.which("go") else None


def verdict_on(checker: Checker, folder: Path, porcupine: Path | None) -> dict[str, Any]:
    """What porcupine says of a scenario that was played in ``folder``."""
    if porcupine is None:
        pytest.skip("our checker is right; Go is needed to ask porcupine")
    (verdict,) = judge(porcupine, [write_scene(checker, folder)], folder)
    return verdict


def test_the_scripted_scenario_has_no_violation_for_our_checker_and_for_porcupine(
    store: Settings, tmp_path: Path, porcupine: Path | None
):
    checker = play(store, Writer, tmp_path)
    assert not checker.violations, checker.examples
    assert len(checker.log) == 7
    verdict = verdict_on(checker, tmp_path, porcupine)
    assert verdict["verdict"] == "linearizable", verdict
    assert verdict["logged_events"] == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_each_protocol_mutant_is_caught_by_our_checker_and_by_porcupine(
    store: Settings, tmp_path: Path, porcupine: Path | None, name: str
):
    checker = play(store, MUTANTS[name], tmp_path)
    assert checker.violations
    verdict = verdict_on(checker, tmp_path, porcupine)
    assert verdict["verdict"] == "not linearizable", verdict
    assert Path(verdict["pictures"][0]).stat().st_size > 0


def test_forgetting_beside_a_frozen_writer_has_no_violation_for_our_checker_and_for_porcupine(
    store: Settings, tmp_path: Path, porcupine: Path | None
):
    checker = play_names(store, "", tmp_path)
    assert not checker.violations, checker.examples
    attempts = Counter(one.what for call in checker.calls.values() for one in call.returns)
    assert (attempts["reused"], attempts["refused"]) == (1, 1)
    verdict = verdict_on(checker, tmp_path, porcupine)
    assert verdict["verdict"] == "linearizable", verdict


@pytest.mark.parametrize("name", NAMES_MUTANTS)
def test_each_mutant_of_forgetting_is_caught_by_our_checker_and_by_porcupine(
    store: Settings, tmp_path: Path, porcupine: Path | None, name: str
):
    checker = play_names(store, name, tmp_path)
    assert checker.violations
    verdict = verdict_on(checker, tmp_path, porcupine)
    assert verdict["verdict"] == "not linearizable", verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", *FORWARDING_MUTANTS])
def test_gateways_are_caught_if_and_only_if_they_forward_wrongly(
    new_settings: Callable[..., Settings], tmp_path: Path, porcupine: Path | None, name: str
):
    checker = play_forwarding(new_settings(partitions=PARTITIONS), name, tmp_path)
    assert bool(checker.violations) == bool(name), checker.examples
    verdict = verdict_on(checker, tmp_path, porcupine)
    assert (verdict["verdict"] == "not linearizable") == bool(name), verdict


def test_the_model_of_the_verdict_passes_its_own_tests():
    if shutil.which("go") is None:
        pytest.skip("Go is needed")
    done = subprocess.run(["go", "test", "."], cwd=MODULE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_some_seconds_of_random_chaos_end_without_a_violation(tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    with brokers_in(tmp_path / "kafka", 1) as brokers:
        run = Run(Plan(seed=1, seconds=20, import_titles=500, pauses=(0.3, 3.5)), brokers, folder)
        report = run.live()
    assert not report.violations, report.examples
    assert report.commands > 1000
    assert report.about_borrowers > 2 * len(USERS)
    assert report.done_to["killed"]
