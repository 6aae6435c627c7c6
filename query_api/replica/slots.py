"""Which folder a process keeps its replica in: the first that no other process uses."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MOST = 64


class NoSlot(Exception):
    """Every slot is taken."""


@contextmanager
def slot(folder: Path) -> Iterator[Path]:
    """A folder of this process's own below ``folder``, until the end or the process's death.

    So several query APIs share a data directory, and one that is started again finds its replica.
    Raises NoSlot, OSError.
    """
    for number in range(1, _MOST + 1):
        own = folder / str(number)
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
    raise NoSlot(
        f"{_MOST} query APIs keep their replicas in {folder}: give this one its own LIBRARY_DATA_DIR"
    )
