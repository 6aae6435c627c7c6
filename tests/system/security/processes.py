"""The project's programs, run with a user's settings."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import asdict

from foundation.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with every setting that differs from its default."""
    default = asdict(Settings())
    changed = {
        f"LIBRARY_{name.upper()}": str(v) for name, v in asdict(settings).items() if v != default[name]
    }
    return {name: v for name, v in os.environ.items() if not name.startswith("LIBRARY_")} | changed


def library(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``library`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "library", *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@contextmanager
def running_service(settings: Settings, log: Path, *module: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a service while the context is open; it writes to ``log``."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
