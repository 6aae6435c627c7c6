"""The scripted scenario with every mutant, and a short chaos run; ``make chaos`` runs for longer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eventstore.append.writer import Writer
from foundation.settings import Settings
from tests.chaos.mutants import MUTANTS
from tests.chaos.run import Plan, Run
from tests.chaos.scenario import play
from tests.support.brokers import embedded_broker


@pytest.fixture
def store(new_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A system with one partition, and a writer that soon gives up waiting for the log's end."""
    monkeypatch.setattr("eventstore.append.catch_up.PATIENCE_S", 2.0)
    return new_settings(partitions=1)


def test_the_scripted_scenario_ends_without_a_violation(store: Settings, tmp_path: Path):
    checker = play(store, Writer, tmp_path)
    assert not checker.violations, checker.examples
    assert len(checker.log) == 6


@pytest.mark.parametrize("name", MUTANTS)
def test_each_protocol_mutant_is_caught_by_the_checker(store: Settings, tmp_path: Path, name: str):
    assert play(store, MUTANTS[name], tmp_path).violations


@pytest.mark.slow
def test_ten_seconds_of_random_chaos_end_without_a_violation(tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    with embedded_broker(tmp_path / "kafka") as kafka:
        run = Run(Plan(seed=1, seconds=10, import_titles=500, pauses=(0.3, 3.5)), kafka, folder)
        report = run.live()
    assert not report.violations, report.examples
    assert report.commands > 500
    assert report.done_to["killed"]
