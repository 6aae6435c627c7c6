"""The folder of a process's replica: the first one that no other process uses."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAX_FOLDERS = 64


class NoFolderFree(Exception):
    """Other processes use every folder."""


@contextmanager
def replica_folder(parent: Path) -> Iterator[Path]:
    """A folder below ``parent`` for this process alone, until the block or the process ends.

    Several query APIs can share a data directory, and one that restarts finds its replica again.
    Raises NoFolderFree, OSError.
    """
    for number in range(1, _MAX_FOLDERS + 1):
        own = parent / str(number)
        own.mkdir(parents=True, exist_ok=True)
        lock = os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield own
        finally:
            os.close(lock)
        return
    raise NoFolderFree(
        f"{_MAX_FOLDERS} query APIs keep their replicas in {parent}: give this one its own LIBRARY_DATA_DIR"
    )
