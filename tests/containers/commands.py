"""Run a program to its end, with its words in the error."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


class NoContainers(Exception):
    """Containers can't be tried on this machine; the message says why."""


class Failed(Exception):
    """A program ended with another code than 0, or too late. The message has its output."""


def run(
    *command: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float = 600,
) -> str:
    """What the program wrote on stdout. Raises Failed."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise Failed(
            f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-3000:] or done.stdout[-3000:]}"
        )
    return done.stdout
