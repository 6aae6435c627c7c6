"""``run.json``: what a ready system says of itself, and what a killed one left behind."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from foundation.settings import RUN_FILE


class AlreadyRunning(Exception):
    """Another system keeps its data in this directory; the message names it."""


class Ran(Struct, frozen=True):
    """A process of the system; with its start a process id names it for good."""

    name: str
    pid: int
    started: float
    """Seconds since 1970, as psutil tells it."""


class Run(Struct, frozen=True, kw_only=True):
    """A running system: how to reach it, and of what it consists."""

    kafka: str
    api: str
    gateway: str
    data_dir: str
    name: str
    partitions: int
    supervisor: Ran
    processes: list[Ran] = []


@contextlib.contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Be the only system in ``data_dir``. Raises AlreadyRunning.

    The lock is the kernel's, on the directory itself: it ends with the process, however that ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            run = read_run(data_dir)
            who = f"a system (process {run.supervisor.pid})" if run else "a system that is just starting"
            raise AlreadyRunning(
                f"{who} already runs in {data_dir}: `library status` shows it, `library down` stops it; "
                "another one beside it needs a --data-dir, --port and --kafka-port of its own"
            ) from error
        yield
    finally:
        os.close(folder)


def write_run(run: Run) -> None:
    """Write it in one step, so that no reader ever sees half of it."""
    file = Path(run.data_dir) / RUN_FILE
    aside = file.with_name(f".{RUN_FILE}")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    aside.replace(file)


def read_run(data_dir: Path) -> Run | None:
    """What stands in ``data_dir``; None if nothing, or nothing that can be read."""
    try:
        return msgspec.json.decode((data_dir / RUN_FILE).read_bytes(), type=Run)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def remove_run(data_dir: Path) -> None:
    """Say that nothing runs there any more."""
    (data_dir / RUN_FILE).unlink(missing_ok=True)


def ran(name: str, pid: int) -> Ran | None:
    """The process as it can be recognised later; None if it is gone."""
    import psutil

    try:
        return Ran(name, pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def lives(known: Ran) -> bool:
    """Whether that very process still runs, and not another one under its number."""
    import psutil

    try:
        process = psutil.Process(known.pid)
        # A second of grace: some systems tell the start in whole seconds
        same = abs(process.create_time() - known.started) < 1
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def clean_up(data_dir: Path, patience: float = 10.0) -> list[Ran]:
    """End what a killed supervisor left running, by force after ``patience`` seconds; what that was.

    Only for the owner of ``data_dir``.
    """
    run = read_run(data_dir)
    left = [known for known in run.processes if lives(known)] if run else []
    for number in (signal.SIGTERM, signal.SIGKILL):
        for known in left:
            with contextlib.suppress(ProcessLookupError):
                if lives(known):
                    os.kill(known.pid, number)
        give_up = time.monotonic() + patience
        while any(lives(known) for known in left) and time.monotonic() < give_up:
            time.sleep(0.02)
    remove_run(data_dir)
    return left
