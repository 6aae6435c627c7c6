"""Projector processes for tests: started, watched, killed, frozen."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from foundation.settings import PREFIX, Settings
from tests.support.waiting import eventually


class Worker:
    """One worker process. ``faults`` are for ``tests.support.projector.faulty_projector``."""

    def __init__(self, settings: Settings, index: int = 0, faults: str = "") -> None:
        home = Path(settings.data_dir)
        home.mkdir(parents=True, exist_ok=True)
        self.ready_file = home / f"projector-{index}.ready"
        self.ready_file.unlink(missing_ok=True)
        self.log = home / f"projector-{index}.log"
        told = {
            f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in Settings.__struct_fields__
        }
        arguments = ["--index", str(index), "--ready-file", str(self.ready_file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.projector.faulty_projector", *arguments],
                env={**os.environ, **told, "LIBRARY_TEST_FAULTS": faults},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def is_ready(self) -> bool:
        """Whether it says so; fails when it has ended instead."""
        if self.process.poll() is not None:
            raise EndedError(f"exit code {self.process.returncode}: {self.said()}")
        return self.ready_file.exists()

    def until_ready(self) -> "Worker":
        """Wait for it."""
        eventually(lambda: self.is_ready)
        return self

    def said(self) -> str:
        """The last of its log."""
        return "\n".join(self.log.read_text("utf-8").splitlines()[-12:])

    def kill(self) -> None:
        """As the out-of-memory killer does."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """As a stopped virtual machine."""
        self.process.send_signal(signal.SIGSTOP)

    @property
    def is_frozen(self) -> bool:
        """Whether it is, by itself or by ``freeze``."""
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    def thaw(self) -> None:
        """And on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Cleanly; the exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def ended(self, limit: float = 30.0) -> int:
        """Wait until it ended by itself; the exit code."""
        return self.process.wait(limit)


class EndedError(Exception):
    """A worker ended where a test did not expect it. Not an AssertionError: waiting longer won't help."""


class Crew:
    """Starts workers, and leaves none behind."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._all: list[Worker] = []

    def start(self, index: int = 0, faults: str = "", settings: Settings | None = None) -> Worker:
        """Another worker; ready a little later."""
        worker = Worker(settings or self.settings, index, faults)
        self._all.append(worker)
        return worker

    def end(self) -> None:
        """Kill those that live."""
        for worker in self._all:
            if worker.process.poll() is None:
                worker.kill()


@contextmanager
def crew_of(settings: Settings) -> Iterator[Crew]:
    """Workers of a system, none of which outlives the block."""
    crew = Crew(settings)
    try:
        yield crew
    finally:
        crew.end()
