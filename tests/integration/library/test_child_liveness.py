"""A supervised process that crashes again and again, does not answer, or can't be checked."""

import asyncio
import logging
import os
import signal
import sys

import pytest
from msgspec.structs import replace

from library.process import child as children
from library.process.child import Child
from library.process.program import Program, State
from tests.integration.library.test_child import live, make
from tests.support.freezing import freeze
from tests.support.library.fake_members import LIVES, fake_program
from tests.support.waiting import until

LOGS_AN_ERROR = 'print(\'{"level": "ERROR", "message": "Kafka refuses the password"}\', flush=True)'


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch):
    """Pauses and limits of a fraction of a second, as proportionate as the real ones."""
    monkeypatch.setattr(children, "MAX_PAUSE_S", 0.1)
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(children, "LIVENESS_INTERVAL_S", 0.05)
    monkeypatch.setattr(children, "UNANSWERED_LIMIT_S", 0.6)


class Switch:
    """A check whose result a test sets."""

    def __init__(self) -> None:
        self.on = True

    def __call__(self) -> bool:
        return self.on


def test_a_child_that_was_ready_is_restarted_after_any_number_of_crashes(tmp_path):
    program, working = fake_program(tmp_path, "projector"), Switch()

    def command():
        good = program.command()
        return good if working.on else [sys.executable, "-ISc", "raise SystemExit('no shelf')"]

    child = make(replace(program, command=command))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        working.on = False
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.restarts > children.START_ATTEMPTS + 3)
        assert child.state is State.FAILING
        assert child.last_error == "exit code 1: no shelf"
        working.on = True
        await until(lambda: child.state is State.RUNNING)

    live(child, scenario)


def test_a_child_that_exits_with_bad_data_later_is_not_restarted(tmp_path):
    ready = "import sys, time; print('here', flush=True); time.sleep(0.5); sys.exit(65)"
    child = make(fake_program(tmp_path, "projector", ready))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        await until(lambda: child.state is State.FAILED)
        assert child.restarts == 0

    live(child, scenario)


def test_a_child_that_does_not_answer_is_failing_and_then_restarted(tmp_path):
    answers = Switch()
    child = make(replace(fake_program(tmp_path, "kafka"), answers=answers))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        first = child.pid
        answers.on = False
        await until(lambda: child.state is State.FAILING)
        assert "it does not answer" in child.last_error
        await until(lambda: child.pid not in (None, first))
        assert "did not answer for" in child.last_error
        answers.on = True
        await until(lambda: child.state is State.RUNNING)
        assert child.restarts == 1

    live(child, scenario)


def test_a_frozen_child_that_does_not_answer_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "UNANSWERED_STOP_S", 0.1)
    answers = Switch()
    child = make(replace(fake_program(tmp_path, "kafka"), answers=answers))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        first = child.pid
        os.kill(first, signal.SIGSTOP)
        answers.on = False
        await until(lambda: child.pid not in (None, first))
        answers.on = True
        await until(lambda: child.state is State.RUNNING)

    live(child, scenario)


def test_a_child_that_is_frozen_before_it_is_ready_is_restarted(tmp_path):
    ready = Switch()
    ready.on = False
    child = make(replace(fake_program(tmp_path, "kafka"), ready=ready))

    async def scenario():
        await until(lambda: child.pid is not None)
        first = child.pid
        os.kill(first, signal.SIGSTOP)
        await until(lambda: child.pid not in (None, first))
        assert "frozen" in child.last_error
        ready.on = True
        await until(lambda: child.state is State.RUNNING)

    live(child, scenario)


def test_a_frozen_child_is_stopped_cleanly(tmp_path):
    ended = tmp_path / "ended"
    leaves_a_trace = (
        "import pathlib, signal, sys, time; "
        f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path({str(ended)!r}).touch())); "
        "print('here', flush=True); time.sleep(600)"
    )
    child = make(fake_program(tmp_path, "gateway", leaves_a_trace, stop_timeout_s=5.0))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        await asyncio.to_thread(freeze, child.pid)
        await child.stop()

    live(child, scenario)
    assert ended.exists()


def test_a_child_that_answers_again_in_time_is_not_restarted(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "UNANSWERED_LIMIT_S", 60)
    answers = Switch()
    child = make(replace(fake_program(tmp_path, "kafka"), answers=answers))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        first = child.pid
        answers.on = False
        await until(lambda: child.state is State.FAILING)
        assert not child.running.is_set(), "those that need it wait"
        answers.on = True
        await until(lambda: child.state is State.RUNNING)
        assert (child.pid, child.restarts) == (first, 0)

    live(child, scenario)


def test_a_check_that_raises_has_failed_and_its_error_is_shown(tmp_path, caplog):
    def ready() -> bool:
        raise ValueError("half a file")

    child = make(replace(fake_program(tmp_path, "kafka"), ready=ready))

    async def scenario():
        await until(lambda: "half a file" in child.last_error)
        assert child.state is State.STARTING

    live(child, scenario)
    assert len([record for record in caplog.records if "half a file" in record.message]) == 1


def test_an_error_in_making_the_command_ends_a_first_start_at_once(tmp_path):
    def command() -> list[str]:
        raise KeyError("jar")

    child = make(Program("kafka", command, lambda: True, {}, tmp_path / "kafka.log"))

    async def scenario():
        await asyncio.wait_for(child.settled(), 10)
        assert (child.state, child.restarts) == (State.FAILED, 0)
        assert "KeyError: 'jar'" in child.last_error

    live(child, scenario)


def test_an_error_that_a_starting_child_logs_is_shown_at_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    starting = f"{LOGS_AN_ERROR}; import time; time.sleep(600)"
    running = f"import time; print('here', flush=True); time.sleep(0.5); {LOGS_AN_ERROR}; time.sleep(600)"
    waiting, ready = (fake_program(tmp_path, n, s) for n, s in (("api", starting), ("gateway", running)))

    async def scenario_of(child: Child) -> None:
        await until(
            lambda: "Kafka refuses" in (child.program.log.read_text() if child.program.log.exists() else "")
        )

    for program in (waiting, ready):
        child = make(program)

        async def scenario(child=child):
            await scenario_of(child)

        live(child, scenario)
    shown = [record.message for record in caplog.records if "Kafka refuses" in record.message]
    assert shown == ["api: Kafka refuses the password"]


def test_the_pause_before_a_restart_is_never_longer_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "MAX_PAUSE_S", 0.0)
    child = make(fake_program(tmp_path, "api", LIVES))

    async def scenario():
        await until(lambda: child.state is State.RUNNING)
        for _ in range(7):
            pid = child.pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: child.state is State.RUNNING and child.pid != pid)

    live(child, scenario)
    assert child.restarts == 7


def test_a_start_that_hangs_is_restarted_and_one_that_is_slow_is_not(tmp_path):
    ready, answers = Switch(), Switch()
    ready.on = False
    child = make(replace(fake_program(tmp_path, "kafka"), ready=ready, answers=answers, start_limit_s=0.3))

    async def scenario():
        await until(lambda: child.pid is not None)
        first, end = child.pid, asyncio.get_running_loop().time() + 1.0
        await until(lambda: asyncio.get_running_loop().time() > end)
        assert (child.pid, child.state) == (first, State.STARTING), "it answers"
        answers.on = False
        await until(lambda: child.pid not in (None, first))
        assert "not ready within" in child.last_error
        ready.on = answers.on = True
        await until(lambda: child.state is State.RUNNING)

    live(child, scenario)
