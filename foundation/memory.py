"""Memory: pauses of garbage collection, and memory that was freed but that the C library keeps."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def calm_collector() -> None:
    """Let the garbage collector of this process look for cycles less often, and never among imported objects.

    Records that were fetched, and the rows and leaves made of them, are many objects, none in a cycle. With
    Python's default the collector took 40 % of the time of reading and signing.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


class _Pauses:
    """The blocks without collections that run now, in all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._enable = False

    def begin(self) -> None:
        with self._lock:
            if self._running == 0:
                self._enable = gc.isenabled()
                gc.disable()
            self._running += 1

    def end(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._enable:
                gc.enable()


_pauses = _Pauses()


@contextmanager
def no_collections() -> Iterator[None]:
    """Pause garbage collection: work that makes many objects that stay would take up to twice the time.

    Where several threads do such work, it pauses until the last of them has finished.
    """
    _pauses.begin()
    try:
        yield
    finally:
        _pauses.end()


def return_free_memory() -> None:
    """Return free memory to the operating system, where the C library can do that (glibc).

    After work that needed much memory for a short time, glibc keeps most of it: in small pieces, between
    others that are in use, in one heap for each thread.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
