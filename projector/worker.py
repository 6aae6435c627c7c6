"""The worker's life: start, ready, stop by a signal or a crash, certain end."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import faust
import uvloop

from foundation import tracing
from foundation.cli import exits
from foundation.memory import calm_collector
from projector.app import App, end_within
from projector.batched_faust.crash import CrashInOwnLoop

log = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
"""Between two touches of the ready file."""


class Worker(CrashInOwnLoop, faust.Worker):
    """Faust's worker without its terminal output. This program does its own logging and signal handling."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
        self.spinner = None

    def install_signal_handlers(self) -> None:
        """Install none: see ``run``."""


def run(app: App, ready_file: Path | None) -> int:
    """Run until SIGTERM, SIGINT or a crash, and return the exit code.

    Writes ``ready_file`` once the table is recovered and follows the events; then touches it regularly.
    """
    calm_collector()
    app.conf.datadir.mkdir(parents=True, exist_ok=True)
    # Also for the thread that talks to Kafka, which creates its own loop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with asyncio.Runner() as runner:
        runner.run(_live(app, ready_file))
    return exits.DONE if app.exit_code is None else app.exit_code


def leave(code: int) -> NoReturn:
    """End this process with ``code`` after its work has stopped.

    Threads of RocksDB and of Kafka's clients still run. The interpreter crashed when it was finalized under
    them, and the supervisor then saw a signal instead of the code that says whether a restart helps.
    """
    tracing.stop()
    logging.shutdown()
    os._exit(code)


async def _live(app: App, ready_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    app.task(_saying_ready(ready_file))
    worker = Worker(app, loop)
    life = asyncio.ensure_future(worker.start())
    stopping = asyncio.ensure_future(asked.wait())
    await asyncio.wait({life, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if asked.is_set():
        log.info("stopping")
        end_within(exits.FAILED)
    await worker.stop()
    stopping.cancel()
    (error,) = await asyncio.gather(life, return_exceptions=True)
    if not asked.is_set() and app.exit_code is None:
        log.error("the worker could not start", exc_info=error)
        app.exit_code = exits.FAILED


def _saying_ready(ready_file: Path | None) -> Callable[[], Awaitable[None]]:
    async def say_ready() -> None:
        log.info("ready")
        if ready_file is None:
            return
        aside = ready_file.with_name(ready_file.name + ".new")
        aside.write_text(f"{os.getpid()}\n", "utf-8")
        aside.replace(ready_file)
        # The supervisor restarts a worker whose event loop does not get here for a long time
        while ready_file.exists():
            await asyncio.sleep(HEARTBEAT_S)
            with contextlib.suppress(FileNotFoundError):
                os.utime(ready_file)

    return say_ready
