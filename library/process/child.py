"""One supervised process: start, readiness, liveness, restarts with back-off."""

import asyncio
import contextlib
import logging
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable
from typing import Any

from foundation.cli import exits
from library.process.die_with_parent import dying_with_me
from library.process.freezing import is_frozen
from library.process.log_file import LineLog
from library.process.program import CannotStart, Program, State

log = logging.getLogger(__name__)

START_ATTEMPTS = 5
"""A program that has never been ready is given up after this many crashes."""
FAILING_CRASHES = 5
"""Consecutive crashes from which a program counts as failing."""
STABLE_S = 60.0
"""After running this long the count of consecutive crashes starts again."""
FIRST_PAUSE_S = 0.1
"""Before the first restart; doubled with each further crash."""
MAX_PAUSE_S = 60.0
READY_INTERVAL_S = 0.05
"""Between two readiness checks of a starting program."""
LIVENESS_INTERVAL_S = 5.0
"""Between two liveness checks of a running program."""
UNANSWERED_LIMIT_S = 30.0
"""A program that fails all liveness checks for this long is restarted, and a starting one that is frozen."""
UNANSWERED_STOP_S = 5.0
"""Time that such a program gets for a clean stop."""


class Child:
    """Keeps a program running.

    It restarts the program after a crash and when it does not answer, for ever: only exit code 65 means that
    a restart is useless. A program that has never been ready is given up after START_ATTEMPTS. ``changed`` is
    called after each change of state or process id. While the child that it ``needs`` does not run, a crash
    does not count, and there is no restart.
    """

    def __init__(self, program: Program, changed: Callable[[], None], needs: "Child | None" = None) -> None:
        self.program = program
        self.running = asyncio.Event()
        self._needs = needs
        self.state = State.STOPPED
        self.pid: int | None = None
        self.restarts = 0
        self.restarted_at_ms: int | None = None
        """When the last restart was, since 1970."""
        self.last_error = ""
        self._changed = changed
        self._crashes = 0
        self._life: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._was_ready = False
        self._unanswered = ""
        """Why the process was stopped for not answering; empty: it was not."""
        self._settled = asyncio.Event()
        self._attempted = asyncio.Event()
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Start the program unless it is alive; a child that had failed gets a new series of attempts."""
        if self._life is None or self._life.done():
            self._crashes = 0
            self._stopping.clear()
            self._attempted.clear()
            self._enter(State.STARTING)
            self._stop_requested = asyncio.create_task(self._stopping.wait())
            self._life = asyncio.create_task(self._live(), name=self.program.name)

    async def settled(self) -> None:
        """Wait until the program is ready, has failed, or was stopped."""
        await self._settled.wait()

    async def attempted(self) -> None:
        """Wait until the program is ready, or its first attempt since ``start`` has ended."""
        await self._attempted.wait()

    async def stop(self) -> None:
        """Stop the program; kill it after its ``stop_timeout_s``."""
        self._stopping.set()
        if self._life is not None and not self._life.done():
            await self._life
            log.info("%s has stopped", self.program.name)
        self._enter(State.STOPPED)

    def kill(self) -> None:
        """Kill the process now."""
        self._signal(signal.SIGKILL)

    def thaw(self) -> None:
        """Let a process continue that was frozen (SIGSTOP)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _live(self) -> None:
        while not self._stopping.is_set():
            self._enter(State.FAILING if self._crashes >= FAILING_CRASHES else State.STARTING)
            started_at = time.monotonic()
            reason, useless = await self._run_once()
            if self._stopping.is_set():
                return
            self.last_error = reason
            self._attempted.set()
            if self._needs and not self._needs.running.is_set():
                log.warning(
                    "%s ended and waits for %s: %s", self.program.name, self._needs.program.name, reason
                )
                self._enter(State.RESTARTING)
                needed = asyncio.create_task(self._needs.running.wait())
                await self._until(needed)
                needed.cancel()
                self._count_restart()
                continue
            lifetime = time.monotonic() - started_at
            self._crashes = 1 if lifetime > STABLE_S else self._crashes + 1
            if useless or (not self._was_ready and self._crashes >= START_ATTEMPTS):
                if self._was_ready:
                    log.error("%s has failed and is not restarted: %s", self.program.name, reason)
                self._enter(State.FAILED)
                return
            pause = min(FIRST_PAUSE_S * 2.0 ** min(self._crashes - 1, 20), MAX_PAUSE_S)
            log.warning(
                "%s ended after %.1f s, restart in %.1f s: %s", self.program.name, lifetime, pause, reason
            )
            self._enter(State.FAILING if self._crashes >= FAILING_CRASHES else State.RESTARTING)
            await asyncio.wait([self._stop_requested], timeout=pause)
            self._count_restart()

    def _count_restart(self) -> None:
        self.restarts += 1
        self.restarted_at_ms = int(time.time() * 1000)

    async def _run_once(self) -> tuple[str, bool]:
        """Run until the process ends: the reason, and whether a restart is useless."""
        preparing = asyncio.create_task(asyncio.to_thread(self.program.command))
        await self._until(preparing)
        if self._stopping.is_set():
            return "stopped", False
        try:
            command = preparing.result()
            lines = LineLog(self.program.log, self._report_error)
            # On the main thread: see dying_with_me
            process = await asyncio.create_subprocess_exec(
                *dying_with_me(command),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                env=dict(self.program.environment),
                start_new_session=True,
            )
        except CannotStart as error:
            # It has run before: the obstacle may go away
            return str(error), not self._was_ready
        except OSError as error:
            return f"it can't be started: {error}", False
        except Exception as error:
            log.exception("the command of %s can't be made", self.program.name)
            return f"it can't be started: {type(error).__name__}: {error}", not self._was_ready
        self._process, self.pid, self._unanswered = process, process.pid, ""
        self._changed()
        pump = asyncio.create_task(_pump(process, lines))
        watch = asyncio.create_task(self._watch(process))
        ended = asyncio.create_task(process.wait())
        await self._until(ended)
        watch.cancel()
        if not ended.done():
            await self._end(process, self.program.stop_timeout_s)
        code = await ended
        # A grandchild may hold the pipe open
        await asyncio.wait([pump], timeout=1)
        pump.cancel()
        lines.close()
        self._process, self.pid = None, None
        return self._unanswered or _reason(code, lines.last_error), code == exits.BAD_DATA

    async def _until(self, task: asyncio.Task[Any]) -> None:
        """Wait for ``task``, or until a stop is requested."""
        await asyncio.wait([task, self._stop_requested], return_when=asyncio.FIRST_COMPLETED)

    async def _watch(self, process: Process) -> None:
        """Wait until the program is ready, then check that it answers, and stop it when it does not."""
        if not await self._gets_ready(process):
            await self._end(process, UNANSWERED_STOP_S)
            return
        self._was_ready = True
        if not self.restarts:
            # What it reported while it started did not prevent the start
            self.last_error = ""
        self._enter(State.RUNNING)
        log.info("%s is ready", self.program.name)
        answered_at, silent = time.monotonic(), False
        while True:
            await asyncio.sleep(LIVENESS_INTERVAL_S)
            if await self._check(self.program.answers):
                answered_at = time.monotonic()
                if silent:
                    silent = False
                    log.info("%s answers again", self.program.name)
                    self._enter(State.RUNNING)
                continue
            silence = time.monotonic() - answered_at
            if silence > UNANSWERED_LIMIT_S:
                self._unanswered = f"it did not answer for {silence:.0f} s"
                await self._end(process, UNANSWERED_STOP_S)
                return
            if silence > 2 * LIVENESS_INTERVAL_S:
                self.last_error = f"it does not answer, for {silence:.0f} s now"
                if not silent:
                    silent = True
                    log.warning("%s does not answer", self.program.name)
                    self._enter(State.FAILING)

    async def _gets_ready(self, process: Process) -> bool:
        """Wait until the program is ready; False if it has to be stopped."""
        limit_s = self.program.start_limit_s
        give_up_at = time.monotonic() + limit_s
        thawed_at = time.monotonic()
        while not await self._check(self.program.ready):
            await asyncio.sleep(READY_INTERVAL_S)
            if not is_frozen(process.pid):
                thawed_at = time.monotonic()
            elif (frozen_s := time.monotonic() - thawed_at) > UNANSWERED_LIMIT_S:
                self._unanswered = f"it was frozen (SIGSTOP) for {frozen_s:.0f} s before it was ready"
                return False
            if time.monotonic() > give_up_at:
                if not await self._check(self.program.answers):
                    self._unanswered = f"it was not ready within {limit_s:.0f} s, and does not answer"
                    return False
                # It is only slow, for example reads a long log
                give_up_at = time.monotonic() + limit_s
        return True

    async def _check(self, check: Callable[[], bool]) -> bool:
        """The result of a check of the program; one that raises has failed."""
        try:
            return await asyncio.to_thread(check)
        except Exception as error:
            reason = f"a check of it failed: {type(error).__name__}: {error}"
            if reason != self.last_error:
                log.error("%s: %s", self.program.name, reason, exc_info=True)
            self.last_error = reason
            return False

    def _report_error(self, message: str) -> None:
        """Show an error that the program logs before it is ready."""
        if not self.running.is_set() and not self._was_ready:
            self.last_error = message
            log.warning("%s: %s", self.program.name, message)

    async def _end(self, process: Process, timeout_s: float) -> None:
        """Stop the process; kill it after ``timeout_s`` seconds. A frozen one is thawed and stops cleanly."""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            log.warning("%s did not stop within %.0f s and is killed", self.program.name, timeout_s)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _enter(self, state: State) -> None:
        self.state = state
        if state is State.RUNNING:
            self.running.set()
        else:
            self.running.clear()
        if state in (State.RUNNING, State.STOPPED, State.FAILED):
            self._settled.set()
            self._attempted.set()
        else:
            self._settled.clear()
        self._changed()


async def _pump(process: Process, lines: LineLog) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(1 << 16):
        lines.feed(chunk)


def _reason(code: int, last_error: str) -> str:
    if code == -signal.SIGKILL:
        # It had no time to log a reason
        return "killed from outside"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how}: {last_error}" if last_error else how
