"""``library up``: one system opened on this machine, in the foreground or behind it."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.logs import JsonLines
from foundation.settings import PREFIX, Settings
from library.process.child import CannotStart
from library.process.log_file import BYTES, KEPT
from library.process.ports import PortInUse, require_free
from library.system.members import parts
from library.system.run_file import AlreadyRunning, clean_up, owned
from library.system.supervisor import Supervisor

log = logging.getLogger("library")

Say = Callable[[str], None]
_TOLD = "told"
"""Marks a record that whoever started the system is told in another way."""


def open_here(settings: Settings, embedded: bool, say: Say, on_ready: Callable[[], None]) -> None:
    """Run the system until it is asked to stop. Ends with a sentence if it can't be started."""
    data_dir = Path(settings.data_dir)
    try:
        with owned(data_dir):
            _log_to(data_dir / "logs" / "supervisor.log", settings.log_level, say)
            for left in clean_up(data_dir):
                log.warning("ended %s (process %d), left by a killed supervisor", left.name, left.pid)
            _require_ports(settings, embedded)
            asyncio.run(_supervise(Supervisor(settings, parts(settings, embedded)), on_ready))
    except CannotStart as error:
        log.error("the start failed: %s", error, extra={_TOLD: True})
        raise CommandError(error.code, str(error)) from error
    except (AlreadyRunning, PortInUse) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except OSError as error:
        raise _unusable(data_dir, error) from error


def _unusable(data_dir: Path, error: OSError) -> CommandError:
    return CommandError(
        exits.FAILED, f"{data_dir} can't be used: {error}; choose another with --data-dir DIR"
    )


async def _supervise(supervisor: Supervisor, on_ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.ask_to_stop)
    await supervisor.run(on_ready)


def _require_ports(settings: Settings, embedded: bool) -> None:
    if embedded:
        require_free(settings.kafka_port, "Kafka", "--kafka-port")
    require_free(settings.port, "the query API", "--port", settings.host)
    require_free(settings.gateway_port, "the gateway", "--gateway-port", settings.host)


class _Saying(logging.Handler):
    def __init__(self, say: Say) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, _TOLD):
            self._say(record.getMessage())


def _log_to(path: Path, level: str, say: Say) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = RotatingFileHandler(path, maxBytes=BYTES, backupCount=KEPT, encoding="utf-8")
    file.setFormatter(JsonLines("supervisor"))
    log.setLevel(min(logging.INFO, logging.getLevelNamesMapping()[level]))
    log.propagate = False
    log.handlers = [file, _Saying(say)]


def open_behind(flags: Mapping[str, Any], settings: Settings, say: Say) -> None:
    """Start the same in a process of its own, and return when it is ready.

    Ends as that process does when it can't start.
    """
    heard, told = os.pipe()
    given = {f"{PREFIX}{name.upper()}": str(value) for name, value in flags.items() if value is not None}
    data_dir = Path(settings.data_dir)
    errors = data_dir / "logs" / "supervisor.log"
    try:
        errors.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    with errors.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "library", "up", "--tell", str(told)],
            env={**os.environ, **given},
            pass_fds=[told],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    os.close(told)
    try:
        with os.fdopen(heard, encoding="utf-8") as lines:
            if _heard_ready(lines, say):
                return
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    raise CommandError(
        exits.FAILED, f"the system ended with {process.wait()} before it was ready; see {errors}"
    )


def _heard_ready(lines: IO[str], say: Say) -> bool:
    for line in lines:
        match json.loads(line):
            case {"ready": True}:
                return True
            case {"said": text}:
                say(str(text))
            case {"error": text, "code": code}:
                raise CommandError(int(code), str(text))
    return False


class Telling:
    """The other end of ``open_behind``: what the process behind has to say, until it is ready."""

    def __init__(self, pipe: int) -> None:
        self._pipe: IO[str] | None = os.fdopen(pipe, "w", encoding="utf-8")

    def say(self, text: str) -> None:
        """Pass on a message for whoever waits."""
        self._tell(said=text)

    def ready(self) -> None:
        """Let whoever waits return."""
        self._tell(ready=True)
        self._hang_up()

    def failed(self, error: CommandError) -> None:
        """Let whoever waits end with the same."""
        self._tell(error=error.message, code=error.exit_code)

    def _tell(self, **what: object) -> None:
        if self._pipe:
            try:
                print(json.dumps(what), file=self._pipe, flush=True)
            except BrokenPipeError:
                # Whoever waited was interrupted; the system goes on
                self._hang_up()

    def _hang_up(self) -> None:
        if self._pipe:
            self._pipe.close()
            self._pipe = None
