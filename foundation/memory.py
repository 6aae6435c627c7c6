"""Memory: pauses of garbage collection, and memory that was freed but that the C library keeps."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager


def calm_collector() -> None:
    """Let the garbage collector of this process look for cycles less often, and never among imported objects.

    Records that were fetched, and the rows and leaves made of them, are many objects, none in a cycle. With
    Python's default the collector took 40 % of the time of reading and signing.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@contextmanager
def no_collections() -> Iterator[None]:
    """Pause garbage collection: work that makes many objects that stay would take up to twice the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def return_free_memory() -> None:
    """Return free memory to the operating system, where the C library can do that (glibc).

    After work that needed much memory for a short time, glibc keeps most of it: in small pieces, between
    others that are in use, in one heap for each thread.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
