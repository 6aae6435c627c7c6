"""What `library up` prints once the system is ready."""

import errno
import io
import sys

import pytest

from library.commands.system import up
from library.system import startup


class Unwritable(io.StringIO):
    """Standard output on a full disk, or into a pipe that nobody reads."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def write(self, text):
        raise OSError(self._number, "no room")


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Systems that are ready at once."""
    monkeypatch.chdir(tmp_path)
    ran = []

    def run(settings, embedded, print_line, on_ready, names):
        on_ready()
        ran.append("to the end")

    monkeypatch.setattr(startup, "run_in_foreground", run)
    monkeypatch.setattr(startup, "start_in_background", lambda *_: None)
    return ran


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EBADF, errno.EPIPE])
def test_a_system_runs_also_where_nobody_can_read_it(monkeypatch, capsys, started, number):
    monkeypatch.setattr(sys, "stdout", Unwritable(number))
    assert up.main(["--port", "1"], standalone_mode=False) == 0
    assert started == ["to the end"]
    assert "The system runs, but standard output can't be written: no room" in capsys.readouterr().err


def test_a_detached_start_ends_with_1_if_the_addresses_cannot_be_printed(monkeypatch, capsys, started):
    monkeypatch.setattr(sys, "stdout", Unwritable(errno.ENOSPC))
    assert up.main(["--detach", "--port", "1"], standalone_mode=False) == 1
    assert "The system runs" in capsys.readouterr().err
