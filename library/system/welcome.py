"""What ``library up`` prints when the system is ready."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from foundation.settings import Settings

EXAMPLE = [
    'add 978-1593275846 "Elixir in Action" "Sasa Juric" 10',
    'add 978-1680502992 "Programming Elixir 1.6" "Dave Thomas" 5',
    "borrow 978-1593275846 user123",
    "remove 978-1680502992",
]


def welcome(settings: Settings, folder: Path, detached: bool) -> str:
    """Where everything is, and an example that can be copied as it stands into a terminal in ``folder``."""
    program = _program()
    found = Path(settings.data_dir) == folder / Settings().data_dir
    place = "" if found else f" --data-dir {shlex.quote(_short(Path(settings.data_dir), folder))}"
    stop = f"`{program} down{place}`"
    return "\n".join(
        [
            "The library is open.",
            "",
            f"  query API    {settings.api}   (its description: /docs)",
            f"  commands     {settings.gateway}",
            f"  Kafka        {settings.kafka}",
            f"  data, logs   {settings.data_dir}",
            "",
            "Try it:" if detached else "Try it, in another terminal:",
            "",
            *(f"  {program} {line}{place}" for line in EXAMPLE),
            f"  curl {settings.api}/inventory/9781593275846",
            "",
            f"{stop} stops it." if detached else f"Ctrl-C, or {stop}, stops it.",
        ]
    )


def _program() -> str:
    """How this program is called from here: by its name if that is found, else by its path."""
    own = Path(sys.executable).with_name("library")
    on_path = shutil.which("library")
    if on_path and os.path.realpath(on_path) == os.path.realpath(own):
        return "library"
    return (
        shlex.quote(_short(own, Path.cwd())) if own.exists() else f"{shlex.quote(sys.executable)} -m library"
    )


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
