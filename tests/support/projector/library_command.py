"""Runs ``library`` on a test's system."""

import os
import subprocess
import sys

from foundation.settings import PREFIX, Settings


def library(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    told = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in Settings.__struct_fields__}
    return subprocess.run(
        [sys.executable, "-m", "library", *arguments],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
