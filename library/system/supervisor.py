"""The supervisor: starts the members of a system in order, watches them, serves requests, stops all."""

import asyncio
import logging
import os
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from pathlib import Path

from foundation.cli import exits
from foundation.settings import Settings
from library.process.child import Child
from library.process.program import CannotStart, Program, State
from library.system.control import Reply, RequestRefused, Session, serving
from library.system.members import Parts
from library.system.run_file import Run, process_record, remove_run, write_run
from schemas.times import rfc3339

log = logging.getLogger(__name__)

REMINDER_INTERVAL_S = 10.0
"""Between two messages about the members that a start still waits for."""


class Supervisor:
    """Runs a system once, on the main thread; ``settings`` are ``resolved``."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self.data_dir = Path(settings.data_dir)
        self._topics, self._workers = parts.topics, parts.projectors
        self.kafka = self._child(parts.kafka) if parts.kafka else None
        self.projectors: list[Child] = []
        self._following_tables = asyncio.Lock()
        self.servers = [self._child(program, self.kafka) for program in parts.servers]
        self.companions = [self._child(program, self.kafka) for program in parts.companions]
        self.notaries = [self._child(parts.notary, self.kafka)] if parts.notary else []
        self._ready = False
        self._stop_requested = asyncio.Event()
        self._paused_by: Session | None = None

    @property
    def children(self) -> list[Child]:
        """All members, in the order they start."""
        first = [self.kafka] if self.kafka else []
        return [*first, *self.projectors, *self.servers, *self.notaries, *self.companions]

    async def run(self, on_ready: Callable[[], object]) -> None:
        """Start all members, call ``on_ready``, run until ``ask_to_stop``, then stop all members.

        Raises CannotStart if a member can't be started, or if the stop is requested before all are ready.
        """
        async with serving(self.data_dir, self._handle):
            starting = asyncio.create_task(self._start())
            stop_requested = asyncio.create_task(self._stop_requested.wait())
            try:
                await asyncio.wait([starting, stop_requested], return_when=FIRST_COMPLETED)
                if not starting.done():
                    raise CannotStart("interrupted before everything was ready", exits.INTERRUPTED)
                starting.result()
                on_ready()
                await stop_requested
            finally:
                starting.cancel()
                await self._stop()

    def ask_to_stop(self) -> None:
        """Request the stop; requested again during the stop, kill all members."""
        if self._stop_requested.is_set():
            for child in self.children:
                child.kill()
        self._stop_requested.set()

    async def _start(self) -> None:
        if self.kafka:
            self.kafka.start()
            await self._await([self.kafka])
        self.projectors = [self._child(program, self.kafka) for program in await self._make_topics()]
        others = [*self.projectors, *self.servers, *self.notaries]
        for child in others:
            child.start()
        await self._await(others)
        for child in self.companions:
            child.start()
        self._ready = True
        self._record()

    async def _make_topics(self) -> list[Program]:
        """Make the topics; return the workers of their tables.

        Raises CannotStart, unless the own Kafka does not answer: it is restarted, and asked again.
        """
        while True:
            try:
                await asyncio.to_thread(self._topics)
                return await asyncio.to_thread(self._workers, 0)
            except CannotStart:
                if self.kafka is None or await asyncio.to_thread(self.kafka.program.answers):
                    raise
                await self._await([self.kafka])

    async def _await(self, awaited: list[Child]) -> None:
        """Return when all run; raises CannotStart as soon as one has failed."""
        waiting = {asyncio.create_task(child.settled(), name=child.program.name) for child in awaited}
        while waiting:
            done, waiting = await asyncio.wait(
                waiting, timeout=REMINDER_INTERVAL_S, return_when=FIRST_COMPLETED
            )
            if failed := [child for child in awaited if child.state is State.FAILED]:
                program = failed[0].program
                where = f" (its log: {program.log})" if program.log.exists() else ""
                raise CannotStart(f"{program.name} could not be started: {failed[0].last_error}{where}")
            if not done:
                pending = [child for child in awaited if child.state is not State.RUNNING]
                log.info("still waiting for %s", ", ".join(map(_progress, pending)))

    async def _stop(self) -> None:
        self._ready = False
        remove_run(self.data_dir)
        # A frozen Kafka would let the gateway wait in vain
        for child in self.children:
            child.thaw()
        # The gateway first: while Kafka runs, it can answer the commands that it has accepted
        others = [*self.companions, *self.servers, *self.projectors]
        await asyncio.gather(*(child.stop() for child in others))
        for child in self.notaries:
            await child.stop()
        if self.kafka:
            await self.kafka.stop()
        for child in self.children:
            child.program.forget()

    def _child(self, program: Program, needs: Child | None = None) -> Child:
        return Child(program, self._record, needs)

    def _record(self) -> None:
        if not self._ready:
            return
        supervisor = process_record("supervisor", os.getpid())
        assert supervisor is not None
        running = [(child.program.name, child.pid) for child in self.children if child.pid]
        settings = self.settings
        run = Run(
            kafka=settings.kafka,
            api=settings.api,
            gateway=settings.gateway,
            audit=settings.audit,
            data_dir=settings.data_dir,
            name=settings.name,
            partitions=settings.partitions,
            loan_days=settings.loan_days,
            timezone=settings.timezone,
            signing_key=settings.signing_key,
            supervisor=supervisor,
            processes=[record for name, pid in running if (record := process_record(name, pid))],
        )
        try:
            write_run(run)
        except OSError as error:
            # A full disk must not prevent the restart of a dead member
            log.error("run.json can't be written: %s", error)

    async def _handle(self, action: str, name: str, session: Session) -> Reply:
        match action:
            case "status":
                return {"ready": self._ready, "processes": [_status(child) for child in self.children]}
            case "stop" if not name:
                self._stop_requested.set()
                return {"pid": os.getpid()}
            case "stop" | "start" | "restart":
                return await self._control(action, self._named(name))
            case "pause":
                return await self._pause(session)
            case "resume":
                self._resume(session)
                return {}
            case "tables":
                return await self._follow_tables(int(name) if name.isdecimal() else 0)
            case _:
                raise RequestRefused(f"a supervisor has no action {action!r}")

    def _named(self, name: str) -> Child:
        for child in self.children:
            if child.program.name == name:
                return child
        names = ", ".join(child.program.name for child in self.children)
        raise RequestRefused(f"no process is called {name!r}; the processes are {names}")

    async def _control(self, action: str, child: Child) -> Reply:
        """Stop, start or restart one member, and return its status."""
        self._require_ready()
        if child in self.projectors and self._paused_by is not None:
            raise RequestRefused("the projector is paused by a `library replay`, which starts it again")
        if action != "start":
            await child.stop()
        if action != "stop" and not self._stop_requested.is_set():
            child.start()
            await child.attempted()
        return _status(child)

    async def _pause(self, session: Session) -> Reply:
        if self._paused_by not in (None, session):
            raise RequestRefused("the projector is already paused, by another `library replay`")
        self._require_ready()
        self._paused_by = session
        session.at_end.append(lambda: self._resume(session))
        await asyncio.gather(*(child.stop() for child in self.projectors))
        return {}

    def _resume(self, session: Session) -> None:
        if self._paused_by is session:
            self._paused_by = None
            if not self._stop_requested.is_set():
                for child in self.projectors:
                    child.start()

    async def _follow_tables(self, beside: int) -> Reply:
        """Start and stop projectors, so that each table that exists has workers; ``beside``: of a second one.

        Workers that run already go on. Returns the status of all projectors.
        """
        self._require_ready()
        async with self._following_tables:
            if self._paused_by is not None:
                raise RequestRefused("the projector is paused by a `library replay`: repeat this after it")
            try:
                programs = await asyncio.to_thread(self._workers, beside)
            except CannotStart as error:
                raise RequestRefused(str(error)) from error
            wanted, running = (
                {program.name for program in programs},
                {c.program.name for c in self.projectors},
            )
            gone = [child for child in self.projectors if child.program.name not in wanted]
            await asyncio.gather(*(child.stop() for child in gone))
            for child in gone:
                child.program.forget()
            started = [self._child(each, self.kafka) for each in programs if each.name not in running]
            self.projectors = [child for child in self.projectors if child not in gone] + started
            if not self._stop_requested.is_set():
                for child in started:
                    child.start()
            self._record()
        return {"processes": [_status(child) for child in self.projectors]}

    def _require_ready(self) -> None:
        if not self._ready:
            raise RequestRefused("the system is still starting, or stopping")


def _progress(child: Child) -> str:
    return f"{child.program.name} ({child.last_error})" if child.last_error else child.program.name


def _status(child: Child) -> Reply:
    return {
        "name": child.program.name,
        "pid": child.pid,
        "state": child.state,
        "restarts": child.restarts,
        "restarted_at": None if child.restarted_at_ms is None else rfc3339(child.restarted_at_ms),
        "last_error": child.last_error or None,
        "log": str(child.program.log),
    }
