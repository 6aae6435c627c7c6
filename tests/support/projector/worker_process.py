"""Projector processes that tests start, watch, kill and freeze."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from foundation.cli.exits import BAD_DATA
from foundation.settings import PREFIX, Settings
from tests.support.waiting import LIMIT_S, eventually


class Worker:
    """One worker process of the inventory's projection, or of the one at ``projection``.

    ``faults`` are described in ``tests.support.projector.faulty_projector``.
    """

    def __init__(
        self, settings: Settings, index: int = 0, faults: str = "", projection: str = "", table: str = ""
    ) -> None:
        home = Path(settings.data_dir)
        home.mkdir(parents=True, exist_ok=True)
        self.ready_file = home / f"projector-{index}.ready"
        self.ready_file.unlink(missing_ok=True)
        self.log = home / f"projector-{index}.log"
        told = {
            f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in Settings.__struct_fields__
        }
        arguments = ["--index", str(index), "--ready-file", str(self.ready_file)]
        arguments += ["--projection", projection] if projection else []
        arguments += ["--table", table] if table else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.projector.faulty_projector", *arguments],
                env={**os.environ, **told, "LIBRARY_TEST_FAULTS": faults, "PYTHONFAULTHANDLER": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def is_ready(self) -> bool:
        """Whether its ready file exists. Raises EndedError if it has ended."""
        if self.process.poll() is not None:
            raise EndedError(f"exit code {self.process.returncode}: {self.said()}")
        return self.ready_file.exists()

    def until_ready(self) -> "Worker":
        """Wait for it."""
        eventually(lambda: self.is_ready)
        return self

    def said(self) -> str:
        """The end of its log, or where its interpreter crashed."""
        log = self.log.read_text("utf-8")
        crashed = log.rfind("Fatal Python error")
        return log[crashed:] if crashed >= 0 else "\n".join(log.splitlines()[-12:])

    def kill(self) -> None:
        """Kill it, as the out-of-memory killer does."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Freeze it, as a stopped virtual machine is."""
        self.process.send_signal(signal.SIGSTOP)

    @property
    def is_frozen(self) -> bool:
        """Whether it is frozen, by ``freeze`` or by one of its faults."""
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    def thaw(self) -> None:
        """Let it continue."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Stop it cleanly; return the exit code."""
        self.process.terminate()
        return self.process.wait(LIMIT_S)

    def ended(self, limit: float = LIMIT_S) -> int:
        """Wait until it ends by itself; return the exit code."""
        return self.process.wait(limit)


class EndedError(Exception):
    """A worker ended where a test did not expect it. Not an AssertionError: waiting longer won't help."""


class Crew:
    """Starts workers, and ends all of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._all: list[Worker] = []

    def start(
        self,
        index: int = 0,
        faults: str = "",
        settings: Settings | None = None,
        projection: str = "",
        table: str = "",
    ) -> Worker:
        """Start another worker; it becomes ready later."""
        worker = Worker(settings or self.settings, index, faults, projection, table)
        self._all.append(worker)
        return worker

    def supervise(self) -> bool:
        """Start another worker if the last one has ended, as a supervisor does. True, for use in a condition.

        Raises EndedError for damaged data, with which no supervisor starts it again.
        """
        last = self._all[-1]
        if last.process.poll() == BAD_DATA:
            raise EndedError(last.said())
        if last.process.poll() is not None:
            self.start()
        return True

    def end(self) -> None:
        """Kill the running workers."""
        for worker in self._all:
            if worker.process.poll() is None:
                worker.kill()


@contextmanager
def crew_of(settings: Settings) -> Iterator[Crew]:
    """Workers that run while the context is open."""
    crew = Crew(settings)
    try:
        yield crew
    finally:
        crew.end()
