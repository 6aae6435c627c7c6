"""The text that ``library up`` prints when the system is ready."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from foundation.http.addresses import bracketed
from foundation.settings import Settings

EXAMPLE_COMMANDS = [
    'add 978-1593275846 "Elixir in Action" "Sasa Juric" 10',
    'add 978-1680502992 "Programming Elixir 1.6" "Dave Thomas" 5',
    "borrow 978-1593275846 user123",
    "remove 978-1680502992",
]


def welcome(settings: Settings, folder: Path, detached: bool) -> str:
    """All addresses, and example commands that can be pasted into a terminal in ``folder``."""
    program = _program()
    is_default = Path(settings.data_dir) == folder / Settings().data_dir
    flag = "" if is_default else f" --data-dir {shlex.quote(_short(Path(settings.data_dir), folder))}"
    stop = f"`{program} down{flag}`"
    return "\n".join(
        [
            "The library is open.",
            "",
            f"  the page     {settings.api}/",
            f"  query API    {settings.api}   (documentation: /docs)",
            f"  commands     {'  '.join(settings.gateway_urls)}",
            f"  Kafka        {settings.kafka}",
            *_metrics(settings),
            *([f"  audit        {settings.audit}/metrics"] if settings.audit else []),
            f"  data, logs   {settings.data_dir}",
            "",
            "Try it:" if detached else "Try it, in another terminal:",
            "",
            *(f"  {program} {line}{flag}" for line in EXAMPLE_COMMANDS),
            f"  curl {settings.api}/inventory/9781593275846",
            "",
            f"{stop} stops it." if detached else f"Ctrl-C, or {stop}, stops it.",
        ]
    )


def _metrics(settings: Settings) -> list[str]:
    """The address of the projector's metrics, if it serves any."""
    if not settings.metrics_port:
        return []
    host = bracketed(urlsplit(settings.api).hostname or "")
    return [f"  metrics      http://{host}:{settings.metrics_port}/metrics   (the projector's)"]


def _program() -> str:
    """How to call this program: by its name if it is on the PATH, else by its path."""
    own = Path(sys.executable).with_name("library")
    on_path = shutil.which("library")
    if on_path and os.path.realpath(on_path) == os.path.realpath(own):
        return "library"
    return (
        shlex.quote(_short(own, Path.cwd())) if own.exists() else f"{shlex.quote(sys.executable)} -m library"
    )


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
