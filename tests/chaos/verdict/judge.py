"""Builds and runs the Go program that judges histories."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

MODULE = Path(__file__).parent
DECIDED = (0, 1)
"""Exit codes of the program after it has decided every history."""


class NoVerdict(Exception):
    """The program can't be built, or a history can't be read or was not decided. The message says why."""


def build(folder: Path) -> Path:
    """Build the program into ``folder``; the Go module proxy has what it needs. Raises NoVerdict."""
    if shutil.which("go") is None:
        raise NoVerdict("Go is needed to build tests/chaos/verdict: on Debian, apt-get install golang-go")
    program = folder / "verdict"
    done = subprocess.run(
        ["go", "build", "-o", program, "."], cwd=MODULE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoVerdict(done.stderr)
    return program


def judge(
    program: Path, histories: Sequence[Path], pictures: Path | None = None, limit: str = "5m"
) -> list[dict[str, Any]]:
    """The verdict on each history; ``limit`` is for one title. Raises NoVerdict."""
    options = ["-limit", limit]
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        options += ["-pictures", str(pictures)]
    done = subprocess.run([program, *options, *histories], capture_output=True, text=True, check=False)
    if done.returncode not in DECIDED:
        raise NoVerdict(done.stderr + done.stdout)
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in done.stdout.splitlines()]
