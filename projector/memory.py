"""The memory that a worker may use for rows."""

import os
from pathlib import Path

from foundation.settings import Settings

SHARE = 32
"""The default is this fraction of the machine's memory."""
LEAST_BYTES = 64 << 20
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""A container's limit, in both versions of Linux' cgroups."""


def memory_budget(settings: Settings) -> int:
    """Bytes for the rows of one worker: the setting, or its share of the machine or container."""
    return settings.projector_memory or max(LEAST_BYTES, machine_memory() // SHARE)


def machine_memory() -> int:
    """Bytes of memory of this machine, or of this container if it has less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(limit for file in _LIMITS if (limit := _limit(file)) is not None)])


def _limit(file: Path) -> int | None:
    """None: no such file, or no limit."""
    try:
        text = file.read_text("ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
