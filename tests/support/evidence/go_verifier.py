"""Builds and runs the verifier in Go."""

import shutil
import subprocess
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[3] / "verifier"


def build_verifier(folder: Path) -> Path:
    """Build the program into ``folder``; skips the test where Go is missing."""
    if shutil.which("go") is None:
        pytest.skip("the verifier needs Go: on Debian, apt-get install golang-go")
    program = folder / "verifier"
    done = subprocess.run(
        ["go", "build", "-o", program, "."], cwd=MODULE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return program


def run_verifier(program: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run it; ``key="…"`` becomes ``-key …``."""
    arguments = [text for name, value in options.items() for text in (f"-{name}", str(value))]
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
