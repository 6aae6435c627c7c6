"""A whole system on this machine, used by its command line and over HTTP."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from foundation.http.client import Response, Service
from foundation.settings import Settings, load
from producer.imports.run import log_ends
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually

PROGRAM = [sys.executable, "-m", "library"]
LIMIT = 90


class System:
    """``library up --detach`` on free ports, with its data and its commands in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The last is for the projector's metrics
        *ports, _ = stable_ports(4)
        self._flags = [
            text
            for flag, port in zip(("--port", "--kafka-port", "--gateway-port"), ports, strict=True)
            for text in (flag, str(port))
        ]

    def up(self) -> None:
        """Start it; it is ready when this returns."""
        done = self.run("up", "--detach", *self._flags)
        assert done.returncode == 0, done.stderr

    def down(self) -> None:
        """Stop it."""
        done = self.run("down")
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``library`` with ``arguments`` to its end."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    def on_terminal(self, *arguments: str, **environment: str) -> str:
        """Run ``library`` on a terminal of 200 columns; return the screen."""
        ours, its = os.openpty()
        with os.fdopen(ours, "rb", buffering=0) as screen:
            process = subprocess.Popen(
                [*PROGRAM, *arguments],
                cwd=self.folder,
                env=self.environment | {"COLUMNS": "200", "TERM": "xterm"} | environment,
                stdout=its,
            )
            os.close(its)
            shown = b""
            # A terminal whose last program has ended returns an error instead of end-of-file
            with suppress(OSError):
                while chunk := screen.read(4096):
                    shown += chunk
            assert process.wait(LIMIT) == 0
        return shown.decode()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``library`` with ``arguments``."""
        return subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def done(self, *arguments: str) -> str:
        """Run ``library``, check that it ends with 0, and return its output."""
        completed = self.run(*arguments)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def receipt(self, *arguments: str) -> dict[str, Any]:
        """Run an accepted command with --wait; return its receipt."""
        receipt: dict[str, Any] = json.loads(self.done(*arguments, "--json", "--wait"))
        return receipt

    @property
    def environment(self) -> dict[str, str]:
        """The environment without the settings of another system, and with this source tree."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")}
        return ours | {"PYTHONPATH": str(Path(__file__).parents[3])}

    @property
    def settings(self) -> Settings:
        """The settings that a command finds."""
        return load({}, {}, self.folder).settings

    def get(self, path: str, **parameters: str) -> Response:
        """GET ``path`` from the query API."""
        with Service(self.settings.api, 30) as service:
            return service.get(tuple(path.strip("/").split("/")), parameters)

    def all(self, path: str) -> list[dict[str, Any]]:
        """GET the items of all pages."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit="500", **cursor).value
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}

    def ends(self) -> list[int]:
        """The end offset of each partition of the event store."""
        return log_ends(self.settings)

    def status(self) -> dict[str, dict[str, Any]]:
        """The processes by name."""
        answer = json.loads(self.run("status", "--json").stdout)
        return {process["name"]: process for process in answer["processes"]}

    def process(self, name: str) -> psutil.Process:
        """A process of the system."""
        return psutil.Process(self.status()[name]["pid"])

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL; wait until the supervisor has restarted it."""
        before = self.process(name)
        before.kill()

        def back() -> bool:
            now = self.status()[name]
            return bool(now["state"] == "running" and now["pid"] != before.pid)

        eventually(back)
