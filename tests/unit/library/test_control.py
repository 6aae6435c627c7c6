"""Commands for a supervisor that does not answer."""

import os
import socket

import pytest

from foundation.settings import Settings
from library.commands.processes import restart, start, stop
from library.commands.system import down, status
from library.system.control import SOCKET_FILE, NotAnswering, NotRunning, connected
from tests.support.library.command_runner import run_command


@pytest.fixture
def frozen(tmp_path, monkeypatch):
    """A data directory whose supervisor, this process, does not answer."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(SOCKET_FILE)
        listening.listen()
        yield tmp_path


def test_a_supervisor_that_does_not_answer_is_named(frozen):
    with (
        connected(frozen, 0.05) as control,
        pytest.raises(NotAnswering, match=f"`kill -9 {os.getpid()}` ends"),
    ):
        control.request("status")


@pytest.mark.parametrize(("command", "arguments"), [(status, ()), (down, ()), (restart, ("api",))])
def test_a_frozen_system_is_not_said_to_be_absent(frozen, monkeypatch, command, arguments):
    monkeypatch.setattr("library.commands.system.ANSWER_TIMEOUT_S", 0.05)
    monkeypatch.setattr("library.commands.processes.TIMEOUT_S", 0.05)
    done = run_command(command, Settings(data_dir=str(frozen)), *arguments)
    assert done.exit_code == 69
    assert "the supervisor does not answer within" in done.stderr
    assert "library up" not in done.stderr


@pytest.mark.parametrize("command", [stop, start, restart])
def test_a_process_without_a_name_is_not_the_whole_system(frozen, command):
    done = run_command(command, Settings(data_dir=str(frozen)), "")
    assert (done.exit_code, "NAME is empty" in done.stderr) == (2, True)


def test_a_socket_that_nobody_serves_is_no_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(SOCKET_FILE)
    with pytest.raises(NotRunning, match="no system runs"), connected(tmp_path, 1):
        pass
