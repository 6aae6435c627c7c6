"""One supervised process: started, watched until it is ready, restarted with back-off, or given up."""

import asyncio
import logging
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from foundation.cli import exits
from library.process.die_with_parent import dying_with_me
from library.process.log_file import LineLog

log = logging.getLogger(__name__)

CRASHES, WITHIN = 5, 60.0
"""So many crashes in so many seconds, and a child is given up."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a restart; doubled with each crash."""
PROBE_EVERY = 0.05
"""Seconds between two looks whether a child is ready."""


class State(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FAILED = "failed"


class CannotStart(Exception):
    """What is needed for a start is not there; the message says what and what to do."""

    def __init__(self, message: str, code: int = exits.FAILED) -> None:
        super().__init__(message)
        self.code = code


class Program(Struct, frozen=True):
    """What to run, and how to tell that it is ready.

    ``command`` and ``ready`` may block and run in a thread; ``command`` may raise CannotStart.
    """

    name: str
    command: Callable[[], list[str]]
    ready: Callable[[], bool]
    environment: Mapping[str, str]
    log: Path
    patience: float = 20.0
    """Seconds that a clean stop may take before the process is killed."""
    forget: Callable[[], None] = lambda: None
    """Removes what it leaves for as long as it runs."""


class Child:
    """A program that is kept running.

    ``changed`` is called whenever its state or process id is another. While what it ``needs`` does not run,
    a crash does not count, and it is not started again.
    """

    def __init__(self, program: Program, changed: Callable[[], None], needs: "Child | None" = None) -> None:
        self.program = program
        self.running = asyncio.Event()
        self._needs = needs
        self.state = State.STOPPED
        self.pid: int | None = None
        self.restarts = 0
        self.last_error = ""
        self._changed = changed
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._life: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._was_ready = False
        self._settled = asyncio.Event()
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Start it, unless it lives; after it was given up this is a new try."""
        if self._life is None or self._life.done():
            self._crashes.clear()
            self._stopping.clear()
            self._enter(State.STARTING)
            self._stop_asked = asyncio.create_task(self._stopping.wait())
            self._life = asyncio.create_task(self._live(), name=self.program.name)

    async def settled(self) -> None:
        """Wait until it runs and is ready, or was given up or stopped."""
        await self._settled.wait()

    async def stop(self) -> None:
        """End it cleanly, by force when its patience is over."""
        self._stopping.set()
        if self._life is not None and not self._life.done():
            await self._life
            log.info("%s has stopped", self.program.name)
        self._enter(State.STOPPED)

    def kill(self) -> None:
        """End it by force, now."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _live(self) -> None:
        while not self._stopping.is_set():
            self._enter(State.STARTING)
            started = time.monotonic()
            why, hopeless = await self._run_once()
            if self._stopping.is_set():
                return
            self.last_error = why
            if self._needs and not self._needs.running.is_set():
                log.warning("%s ended and waits for %s: %s", self.program.name, self._needs.program.name, why)
                self._enter(State.RESTARTING)
                needed = asyncio.create_task(self._needs.running.wait())
                await self._until(needed)
                needed.cancel()
                self.restarts += 1
                continue
            self._crashes.append(time.monotonic())
            crashes = sum(1 for at in self._crashes if at > time.monotonic() - WITHIN)
            if hopeless or crashes >= CRASHES:
                if self._was_ready:
                    log.error("%s is given up: %s", self.program.name, why)
                self._enter(State.FAILED)
                return
            pause = min(FIRST_PAUSE * 2 ** (crashes - 1), LONGEST_PAUSE)
            lived = time.monotonic() - started
            log.warning("%s ended after %.1f s, again in %.1f s: %s", self.program.name, lived, pause, why)
            self._enter(State.RESTARTING)
            await asyncio.wait([self._stop_asked], timeout=pause)
            self.restarts += 1

    async def _run_once(self) -> tuple[str, bool]:
        """Run until it ends: why it did, and whether a restart is hopeless."""
        preparing = asyncio.create_task(asyncio.to_thread(self.program.command))
        await self._until(preparing)
        if self._stopping.is_set():
            return "stopped", False
        try:
            command = preparing.result()
            lines = LineLog(self.program.log)
            # Here, on the main thread: see dying_with_me
            process = await asyncio.create_subprocess_exec(
                *dying_with_me(command),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                env=dict(self.program.environment),
                start_new_session=True,
            )
        except CannotStart as error:
            # Once it ran, so what is in its way may go again
            return str(error), not self._was_ready
        except OSError as error:
            return f"it can't be started: {error}", False
        self._process, self.pid = process, process.pid
        self._changed()
        pump = asyncio.create_task(_pump(process, lines))
        probe = asyncio.create_task(self._probe())
        ended = asyncio.create_task(process.wait())
        await self._until(ended)
        probe.cancel()
        if not ended.done():
            await self._end(process)
        code = await ended
        # A grandchild may hold the pipe open
        await asyncio.wait([pump], timeout=1)
        pump.cancel()
        lines.close()
        self._process, self.pid = None, None
        return _reason(code, lines.last_error), code == exits.BAD_DATA

    async def _until(self, task: asyncio.Task[Any]) -> None:
        """Wait for ``task``, or until a stop is asked for."""
        await asyncio.wait([task, self._stop_asked], return_when=asyncio.FIRST_COMPLETED)

    async def _probe(self) -> None:
        while not await asyncio.to_thread(self.program.ready):
            await asyncio.sleep(PROBE_EVERY)
        self._was_ready = True
        self._enter(State.RUNNING)
        log.info("%s is ready", self.program.name)

    async def _end(self, process: Process) -> None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.program.patience)
        except TimeoutError:
            log.warning("%s did not stop in %.0f s and is killed", self.program.name, self.program.patience)
            process.kill()
            await process.wait()

    def _enter(self, state: State) -> None:
        self.state = state
        if state is State.RUNNING:
            self.running.set()
        else:
            self.running.clear()
        if state in (State.STARTING, State.RESTARTING):
            self._settled.clear()
        else:
            self._settled.set()
        self._changed()


async def _pump(process: Process, lines: LineLog) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(1 << 16):
        lines.feed(chunk)


def _reason(code: int, last_error: str) -> str:
    if code == -signal.SIGKILL:
        # It had no time to say anything
        return "killed from outside"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how}: {last_error}" if last_error else how
