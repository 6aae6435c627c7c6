"""The projectors of a chaos run: their table is computed again, or another one takes its place."""

import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from foundation.settings import Settings
from tests.support.projector.library_command import library
from tests.support.waiting import eventually

FIRST, SECOND = "projector-0", "projector-1"
"""The second one writes the table beside the first."""
PATIENCE_S = 45.0
"""Limit for a projector to end."""


class Projectors(NamedTuple):
    """Commands for them while readers are at work. ``processes`` and ``frozen`` are those of the run."""

    settings: Settings
    processes: Mapping[str, "subprocess.Popen[bytes]"]
    frozen: dict[str, float]
    start: Callable[[str], None]
    thaw: Callable[[], None]
    """Thaws every process whose time has come."""
    done_to: Counter[str]

    def replay(self) -> None:
        """Let them compute the table that counts again."""
        names = self._thawed()
        for name in names:
            self.processes[name].terminate()
        for name in names:
            self.processes[name].wait(PATIENCE_S)
        # One that was killed before may still be a member of its group
        self._done("replay")
        for name in names:
            self.start(name)
        self.done_to["replays"] += 1

    def switch(self) -> None:
        """Let query APIs answer from the other table; make it the first time."""
        self._thawed()
        if SECOND not in self.processes:
            self._done("rebuild", "start")
            self.start(SECOND)
        self._done("rebuild", "rollback" if self.done_to["switches"] % 2 else "switch")
        self.done_to["switches"] += 1

    def _done(self, *command: str) -> None:
        """Repeat a command until it is done: frozen writers keep the end of the events open."""

        def is_done() -> bool:
            self.thaw()
            try:
                return library(self.settings, *command).returncode == 0
            except subprocess.TimeoutExpired:
                return False

        eventually(is_done)

    def _thawed(self) -> list[str]:
        names = [name for name in (FIRST, SECOND) if name in self.processes]
        for name in names:
            self.frozen.pop(name, None)
            self.processes[name].send_signal(signal.SIGCONT)
        return names
