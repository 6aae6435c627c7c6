"""A running system whose processes are frozen, and controlled one by one."""

import os
import signal
import sys

import pytest

from tests.support.library.installed_system import System
from tests.support.waiting import eventually

NAMES = ["kafka", "projector", "api", "gateway"]


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A running system, shared by the tests of this file; each leaves it running."""
    made = System(tmp_path_factory.mktemp("supervised"))
    made.program = [sys.executable, "-m", "tests.support.library.impatient_supervisor"]
    with made.in_foreground() as up:
        eventually((made.data_dir / "run.json").exists)
        eventually(made.runs)
        yield made
        made.down()
        assert up.wait(60) == 0


def test_one_process_is_stopped_started_and_restarted_by_its_name(system):
    before = {name: system.pid(name) for name in NAMES}
    stopped = system.library("stop", "api")
    assert (stopped.returncode, stopped.stderr) == (0, "api is stopped\n")
    assert system.status()["api"]["state"] == "stopped"
    assert system.library("status").returncode == 0, "it was stopped on purpose"
    assert system.library("start", "api").returncode == 0
    assert system.get("/readyz")[0] == 200
    restarted = system.library("restart", "kafka")
    assert (restarted.returncode, restarted.stderr) == (0, "kafka is running\n")
    assert system.pid("kafka") != before["kafka"]
    assert system.pid("gateway") == before["gateway"]
    eventually(system.runs)
    unknown = system.library("restart", "projector-9")
    assert unknown.returncode == 1
    assert "the processes are kafka, projector, api, gateway" in unknown.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_frozen_processes_are_reported_and_restarted(system):
    before = {name: system.pid(name) for name in NAMES}
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)

    reasons: dict[str, str] = {}

    def all_restarted():
        status = system.status()
        reasons.update({n: status[n]["last_error"] for n in NAMES if status[n]["last_error"]})
        return all(status[name]["pid"] not in (None, before[name]) for name in NAMES)

    eventually(all_restarted, 150)
    assert {name: "not answer" in reasons.get(name, "") for name in NAMES} == dict.fromkeys(NAMES, True)
    eventually(system.runs)
