"""A program to supervise: its command, its checks, and the phases of its process."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from foundation.cli import exits


class State(StrEnum):
    """The phase of a child; ``failing``: it crashes again and again, or does not answer, and is restarted."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    FAILING = "failing"
    STOPPED = "stopped"
    FAILED = "failed"


class CannotStart(Exception):
    """A requirement of a start is missing; the message names it and the next step."""

    def __init__(self, message: str, code: int = exits.FAILED) -> None:
        super().__init__(message)
        self.code = code


class Program(Struct, frozen=True):
    """A command, and how to check the process.

    ``command``, ``ready`` and ``answers`` may block: they run in a thread. ``command`` may raise CannotStart.
    """

    name: str
    command: Callable[[], list[str]]
    ready: Callable[[], bool]
    environment: Mapping[str, str]
    log: Path
    stop_timeout_s: float = 20.0
    """Time for a clean stop before the process is killed."""
    forget: Callable[[], None] = lambda: None
    """Removes files that are only valid while the process runs."""
    answers: Callable[[], bool] = lambda: True
    """Liveness check of a process that has been ready, or starts for longer than ``start_limit_s``."""
    start_limit_s: float = 600.0
    """A process that is not ready by then, and does not answer, is restarted."""
