"""Freezing a process: it stays, and does nothing until it is thawed."""

import os
import signal

import psutil

from tests.support.waiting import eventually


def freeze(pid: int) -> None:
    """Stop the process; return when all its threads have stopped, which takes a moment on a busy machine."""

    def stopped() -> bool:
        threads = (psutil.Process(thread.id) for thread in psutil.Process(pid).threads())
        return all(thread.status() == psutil.STATUS_STOPPED for thread in threads)

    os.kill(pid, signal.SIGSTOP)
    eventually(stopped)


def thaw(pid: int) -> None:
    """Let the process continue."""
    os.kill(pid, signal.SIGCONT)
