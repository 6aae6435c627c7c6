"""``library up``: start a system on this machine, in the foreground or in the background."""

import asyncio
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from foundation.cli import exits
from foundation.cli.app import CommandError
from foundation.loaded_settings import misspelt
from foundation.logs import JsonLines
from foundation.settings import PREFIX, Settings
from library.process.freezing import is_frozen
from library.process.log_file import MAX_LOG_BYTES, ROTATED_FILES
from library.process.ports import PortInUse
from library.process.program import CannotStart
from library.system.members import parts_of
from library.system.requirements import full_disk, require_ports
from library.system.run_file import AlreadyRunning, clean_up, owned
from library.system.supervisor import Supervisor

log = logging.getLogger("library")

FROZEN_INTERVAL_S = 1.0
"""Between two looks at a background process that sends nothing."""
FROZEN_LIMIT_S = 30.0
"""A start whose supervisor is frozen for this long is reported."""

Print = Callable[[str], None]
_REPORTED = "reported"
"""Marks a log record that the user gets as the error of the command."""


def run_in_foreground(
    settings: Settings,
    embedded: bool,
    print_line: Print,
    on_ready: Callable[[], object],
    names: bool | None = None,
) -> None:
    """Run the system until it is asked to stop; ``names`` as for ``parts_of``.

    Raises CommandError if it can't be started.
    """
    data_dir = Path(settings.data_dir)
    try:
        with owned(data_dir):
            _log_to(data_dir / "logs" / "supervisor.log", settings.log_level, print_line)
            for left in clean_up(data_dir):
                log.warning("ended %s (process %d), left by a killed supervisor", left.name, left.pid)
            require_ports(settings, embedded)
            if warning := full_disk(data_dir):
                log.warning("%s", warning)
            asyncio.run(_supervise(Supervisor(settings, parts_of(settings, embedded, names)), on_ready))
    except CannotStart as error:
        log.error("the start failed: %s", error, extra={_REPORTED: True})
        raise CommandError(error.code, str(error)) from error
    except (AlreadyRunning, PortInUse) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except OSError as error:
        raise _unusable(data_dir, error) from error


def _unusable(data_dir: Path, error: OSError) -> CommandError:
    return CommandError(
        exits.FAILED, f"{data_dir} can't be used: {error}; choose another with --data-dir DIR"
    )


async def _supervise(supervisor: Supervisor, on_ready: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.ask_to_stop)
    await supervisor.run(on_ready)


class _Printing(logging.Handler):
    def __init__(self, print_line: Print) -> None:
        super().__init__(logging.INFO)
        self._print_line = print_line

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, _REPORTED):
            return
        try:
            self._print_line(record.getMessage())
        except OSError as error:
            # The terminal or pipe is gone; the file still gets all messages
            log.removeHandler(self)
            log.warning("messages are only in this file from here on: %s", error)


def _log_to(path: Path, level: str, print_line: Print) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=ROTATED_FILES, encoding="utf-8")
    file.setFormatter(JsonLines("supervisor"))
    log.setLevel(min(logging.INFO, logging.getLevelNamesMapping()[level]))
    log.propagate = False
    log.handlers = [file, _Printing(print_line)]


def start_in_background(
    flags: Mapping[str, Any], settings: Settings, print_line: Print, names: bool | None = None
) -> None:
    """Start the system in a process of its own, and return when it is ready.

    Raises the CommandError with which that process ends if it can't start.
    """
    read_end, write_end = os.pipe()
    misses = misspelt(os.environ)
    environment = {name: value for name, value in os.environ.items() if name not in misses}
    variables = {f"{PREFIX}{name.upper()}": str(value) for name, value in flags.items() if value is not None}
    data_dir = Path(settings.data_dir)
    errors = data_dir / "logs" / "supervisor.log"
    try:
        errors.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    with errors.open("ab") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "library",
                "up",
                "--report-to",
                str(write_end),
                *([] if names is None else ["--names" if names else "--no-names"]),
            ],
            env={**environment, **variables},
            pass_fds=[write_end],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    os.close(write_end)
    try:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            if _wait_until_ready(pipe, process, print_line):
                return
    except KeyboardInterrupt:
        process.terminate()
        process.send_signal(signal.SIGCONT)
        process.wait()
        raise
    raise CommandError(
        exits.FAILED, f"the system ended with {process.wait()} before it was ready; see {errors}"
    )


def _wait_until_ready(pipe: IO[bytes], process: "subprocess.Popen[bytes]", print_line: Print) -> bool:
    for message in _messages(pipe, process):
        match message:
            case {"ready": True}:
                return True
            case {"line": text}:
                print_line(str(text))
            case {"error": text, "code": code}:
                raise CommandError(int(code), str(text))
    return False


def _messages(pipe: IO[bytes], process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    """What the background process sends until it closes its end. Raises CommandError once it is frozen."""
    partial, thawed_at = b"", time.monotonic()
    while True:
        if select.select([pipe], [], [], FROZEN_INTERVAL_S)[0]:
            chunk = os.read(pipe.fileno(), 1 << 16)
            if not chunk:
                return
            *lines, partial = (partial + chunk).split(b"\n")
            thawed_at = time.monotonic()
            yield from map(json.loads, lines)
        elif not is_frozen(process.pid):
            thawed_at = time.monotonic()
        elif time.monotonic() - thawed_at > FROZEN_LIMIT_S:
            raise CommandError(
                exits.UNAVAILABLE,
                f"the supervisor, process {process.pid}, is frozen (SIGSTOP): `kill -CONT {process.pid}` "
                f"continues the start, `kill -9 {process.pid}` ends it",
            )


class StartReport:
    """The background process's end of the pipe: its messages until it is ready.

    If the waiting process is gone, killed for example, the start continues without it.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def print_line(self, text: str) -> None:
        """Send a line for the waiting process to print."""
        self._send(line=text)

    def ready(self) -> None:
        """Let the waiting process return."""
        self._send(ready=True)
        self._close()

    def failed(self, error: CommandError) -> None:
        """Let the waiting process end with the same error."""
        self._send(error=error.message, code=error.exit_code)

    def _send(self, **message: object) -> None:
        if self._pipe is None:
            return
        try:
            # Shorter than PIPE_BUF or not, nothing else writes here; unbuffered, closing can't fail later
            os.write(self._pipe, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            self._close()

    def _close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
