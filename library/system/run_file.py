"""``run.json``: addresses and processes of a running system, and the leftovers of a killed one."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from foundation.loaded_settings import RUN_FILE


class AlreadyRunning(Exception):
    """Another system uses this data directory; the message names it."""


class ProcessRecord(Struct, frozen=True):
    """A process of the system; id and start time together identify it even if the id is reused."""

    name: str
    pid: int
    started: float
    """Seconds since 1970, as psutil reports it."""


class Run(Struct, frozen=True, kw_only=True):
    """A running system: its addresses, the settings that all its writers share, and its processes."""

    kafka: str
    api: str
    gateway: str
    audit: str = ""
    data_dir: str
    name: str
    partitions: int
    loan_days: int = 21
    timezone: str = "UTC"
    signing_key: str = ""
    supervisor: ProcessRecord
    processes: list[ProcessRecord] = []


@contextlib.contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Lock ``data_dir`` for this system during the block. Raises AlreadyRunning, OSError.

    The kernel holds the lock on the directory and releases it when the process ends, however it ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            run = read_run(data_dir)
            owner = f"a system (process {run.supervisor.pid})" if run else "a system that is just starting"
            raise AlreadyRunning(
                f"{owner} already runs in {data_dir}: `library status` shows it, `library down` stops it; "
                "a second system needs its own --data-dir, --port and --kafka-port"
            ) from error
        yield
    finally:
        os.close(folder)


def write_run(run: Run) -> None:
    """Replace the file atomically. Raises OSError."""
    file = Path(run.data_dir) / RUN_FILE
    aside = file.with_name(f".{RUN_FILE}")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    aside.replace(file)


def read_run(data_dir: Path) -> Run | None:
    """The run file of ``data_dir``; None if it is missing or unreadable."""
    try:
        return msgspec.json.decode((data_dir / RUN_FILE).read_bytes(), type=Run)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def remove_run(data_dir: Path) -> None:
    """Delete the run file, if there is one."""
    (data_dir / RUN_FILE).unlink(missing_ok=True)


def process_record(name: str, pid: int) -> ProcessRecord | None:
    """Identify the process for later; None if it is gone."""
    import psutil

    try:
        return ProcessRecord(name, pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(record: ProcessRecord) -> bool:
    """Whether this very process still runs; another one may have its id now."""
    import psutil

    try:
        process = psutil.Process(record.pid)
        # Some systems report the start time in whole seconds
        same = abs(process.create_time() - record.started) < 1
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def clean_up(data_dir: Path, patience_s: float = 10.0) -> list[ProcessRecord]:
    """Stop the processes that a killed supervisor left running, by force after ``patience_s`` seconds.

    Returns them. Call it only as the owner of ``data_dir``.
    """
    run = read_run(data_dir)
    left = [record for record in run.processes if is_alive(record)] if run else []
    for number in (signal.SIGTERM, signal.SIGKILL):
        for record in left:
            with contextlib.suppress(ProcessLookupError):
                if is_alive(record):
                    os.kill(record.pid, number)
                    # A frozen process ends only when it continues
                    os.kill(record.pid, signal.SIGCONT)
        give_up = time.monotonic() + patience_s
        while any(is_alive(record) for record in left) and time.monotonic() < give_up:
            time.sleep(0.02)
    remove_run(data_dir)
    return left
