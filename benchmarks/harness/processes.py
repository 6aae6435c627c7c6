"""Processes of a contestant: starts them together, samples their memory, and measures their CPU time."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from library.process.die_with_parent import dying_with_me

SAMPLE_INTERVAL_S = 0.1
WAIT_INTERVAL_S = 0.002
MEGA = 1e6


class ProcessEnded(Exception):
    """A process ended by itself; the message has the end of its stderr."""


class Processes:
    """Runs commands while the context is open. Their output goes to ``<n>.out`` and ``<n>.err``."""

    def __init__(self, commands: Sequence[Sequence[str]], environment: dict[str, str], folder: Path) -> None:
        self._commands = commands
        self._environment = os.environ | environment
        self._folder = folder
        self._stopped = threading.Event()
        self._peaks: list[float] = []
        self.cpu_seconds = 0.0
        """User and system time of all processes; set when they have been stopped."""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.started = time.time()
        self._processes = [self._start(number, command) for number, command in enumerate(self._commands)]
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._watch.join()
        for process in self._processes:
            # Popen.terminate would reap an ended process and lose its CPU time
            os.kill(process.pid, signal.SIGTERM)
        killer = threading.Timer(30, self.kill)
        killer.start()
        for process in self._processes:
            # wait4 includes the children that the process waited for
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds += used.ru_utime + used.ru_stime
        killer.cancel()

    @property
    def peak_mb(self) -> float:
        """The highest sampled RSS of all processes together, in MB."""
        return max(self._peaks, default=0.0)

    def memory_mb(self) -> float:
        """Return the present RSS of all processes together, in MB."""
        return sum(_tree_memory(process.pid) for process in self._processes) / MEGA

    def cpu_seconds_until_now(self) -> float:
        """User and system time of all processes so far, in steps of 10 ms."""
        times = [psutil.Process(process.pid).cpu_times() for process in self._processes]
        return float(sum(used.user + used.system for used in times))

    def printed(self, key: str) -> list[dict[str, Any]]:
        """Return the JSON lines with ``key`` that the processes printed on stdout or stderr."""
        found = []
        for file in sorted(self._folder.glob("*.[oe]*")):
            for line in file.read_text("utf-8", errors="replace").splitlines():
                # The last line may be incomplete
                if line.startswith("{") and line.endswith("}") and f'"{key}"' in line:
                    found.append(json.loads(line))  # noqa: PERF401
        return found

    def wait(self, limit_s: float) -> int:
        """Wait until the first process has ended by itself; return its exit code. Raises TimeoutError."""
        # WNOWAIT: the exit reaps it, to learn its CPU time
        options, give_up = os.WEXITED | os.WNOWAIT | os.WNOHANG, time.monotonic() + limit_s
        while (ended := os.waitid(os.P_PID, self._processes[0].pid, options)) is None:
            if time.monotonic() > give_up:
                raise TimeoutError(f"waited {limit_s:g} s for {' '.join(self._commands[0])}")
            time.sleep(WAIT_INTERVAL_S)
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def check(self) -> None:
        """Raise ProcessEnded if one of them has ended."""
        for number, process in enumerate(self._processes):
            if psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE:
                error = (self._folder / f"{number}.err").read_text("utf-8", errors="replace")
                raise ProcessEnded(f"{' '.join(self._commands[number])} ended: {error[-2000:]}")

    def kill(self) -> None:
        """Send SIGKILL to all processes."""
        for process in self._processes:
            os.kill(process.pid, signal.SIGKILL)

    def _start(self, number: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (
            (self._folder / f"{number}.out").open("wb") as out,
            (self._folder / f"{number}.err").open("wb") as error,
        ):
            return subprocess.Popen(
                dying_with_me(list(command)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
                env=self._environment,
            )

    def _sample(self) -> None:
        while not self._stopped.wait(SAMPLE_INTERVAL_S):
            self._peaks.append(self.memory_mb())


def python(*arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", *arguments]


def _tree_memory(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0
