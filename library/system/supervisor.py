"""The supervisor: starts the members of a system in order, watches them, serves requests, stops all."""

import asyncio
import logging
import os
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from pathlib import Path

from foundation.cli import exits
from foundation.settings import Settings
from library.process.child import CannotStart, Child, Program, State
from library.system.control import Reply, RequestRefused, Session, serving
from library.system.members import Parts
from library.system.run_file import Run, process_record, remove_run, write_run

log = logging.getLogger(__name__)

REMINDER_INTERVAL_S = 10.0
"""Between two messages about the members that a start still waits for."""


class Supervisor:
    """Runs a system once, on the main thread; ``settings`` are ``resolved``."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self.data_dir = Path(settings.data_dir)
        self._topics = parts.topics
        self.kafka = self._child(parts.kafka) if parts.kafka else None
        self.projectors = [self._child(program, self.kafka) for program in parts.projectors]
        self.servers = [self._child(program, self.kafka) for program in parts.servers]
        self._ready = False
        self._asked = asyncio.Event()
        self._paused_by: Session | None = None

    @property
    def children(self) -> list[Child]:
        """All members, in the order they start."""
        return [*([self.kafka] if self.kafka else []), *self.projectors, *self.servers]

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Start all, call ``on_ready``, and go on until ``ask_to_stop``; then stop all.

        Raises CannotStart when a part could not be started, or the end was asked for before all were ready.
        """
        async with serving(self.data_dir, self._handle):
            starting = asyncio.create_task(self._start())
            asked = asyncio.create_task(self._asked.wait())
            try:
                await asyncio.wait([starting, asked], return_when=FIRST_COMPLETED)
                if not starting.done():
                    raise CannotStart("interrupted before everything was ready", exits.INTERRUPTED)
                starting.result()
                on_ready()
                await asked
            finally:
                starting.cancel()
                await self._stop()

    def ask_to_stop(self) -> None:
        """Begin the end; asked again while it goes on, end everything by force."""
        if self._asked.is_set():
            for child in self.children:
                child.kill()
        self._asked.set()

    async def _start(self) -> None:
        if self.kafka:
            self.kafka.start()
            await self._await([self.kafka])
        await asyncio.to_thread(self._topics)
        others = [*self.projectors, *self.servers]
        for child in others:
            child.start()
        await self._await(others)
        self._ready = True
        self._record()

    async def _await(self, awaited: list[Child]) -> None:
        """Return when all run; raises CannotStart as soon as one was given up."""
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
                log.info("still waiting for %s", ", ".join(sorted(task.get_name() for task in waiting)))

    async def _stop(self) -> None:
        self._ready = False
        remove_run(self.data_dir)
        # The gateway first: what it has accepted it answers while Kafka is there
        await asyncio.gather(*(child.stop() for child in [*self.servers, *self.projectors]))
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
        known = [(child.program.name, child.pid) for child in self.children if child.pid]
        settings = self.settings
        run = Run(
            kafka=settings.kafka,
            api=settings.api,
            gateway=settings.gateway,
            data_dir=settings.data_dir,
            name=settings.name,
            partitions=settings.partitions,
            supervisor=supervisor,
            processes=[found for name, pid in known if (found := process_record(name, pid))],
        )
        try:
            write_run(run)
        except OSError as error:
            # A full disk must not keep a dead part from being restarted
            log.error("run.json can't be written: %s", error)

    async def _handle(self, what: str, session: Session) -> Reply:
        match what:
            case "status":
                return {"ready": self._ready, "processes": [_status(child) for child in self.children]}
            case "stop":
                self._asked.set()
                return {"pid": os.getpid()}
            case "pause":
                return await self._pause(session)
            case "resume":
                self._resume(session)
                return {}
            case _:
                raise RequestRefused(f"a supervisor has no action {what!r}")

    async def _pause(self, session: Session) -> Reply:
        if self._paused_by not in (None, session):
            raise RequestRefused("the projector is already paused, by another `library replay`")
        if not self._ready:
            raise RequestRefused("the system is still starting, or stopping")
        self._paused_by = session
        session.at_end.append(lambda: self._resume(session))
        await asyncio.gather(*(child.stop() for child in self.projectors))
        return {}

    def _resume(self, session: Session) -> None:
        if self._paused_by is session:
            self._paused_by = None
            if not self._asked.is_set():
                for child in self.projectors:
                    child.start()


def _status(child: Child) -> Reply:
    return {
        "name": child.program.name,
        "pid": child.pid,
        "state": child.state,
        "restarts": child.restarts,
        "last_error": child.last_error or None,
        "log": str(child.program.log),
    }
