"""A whole system started by `library up` in a folder, and commands for it."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from library.system.run_file import Run, read_run
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually


class System:
    """One system and its folder; nothing runs before ``up``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / ".library"
        # The last is for the projector's metrics
        self.port, self.gateway_port, self.kafka_port, _ = stable_ports(4)

    @property
    def flags(self) -> list[str]:
        """Flags of `up`; the page cache is durable enough for tests."""
        named = {
            "--port": self.port,
            "--gateway-port": self.gateway_port,
            "--kafka-port": self.kafka_port,
            "--partitions": 2,
            "--durability": "os",
        }
        return [str(part) for pair in named.items() for part in pair]

    def library(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `library` in the system's folder, with ``more`` in its environment."""
        return subprocess.run(
            [sys.executable, "-m", "library", *arguments],
            cwd=self.folder,
            env=_environment() | more,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    @contextmanager
    def in_foreground(self) -> Iterator[subprocess.Popen[str]]:
        """`library up`, not detached; killed at the end if it still runs."""
        with subprocess.Popen(
            [sys.executable, "-m", "library", "up", *self.flags],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def up(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Start it in the background; return the result of `up`."""
        return self.library("up", "--detach", *self.flags, *more, **environment)

    def down(self) -> None:
        """Stop it if it runs."""
        self.library("down")

    @property
    def run(self) -> Run:
        """Its run file."""
        found = read_run(self.data_dir)
        assert found is not None
        return found

    def pid(self, name: str) -> int:
        """The present process id of the member ``name``."""
        return eventually(lambda: {known.name: known.pid for known in self.run.processes}.get(name))

    def status(self) -> dict[str, Any]:
        """Its processes by name, and ``lag``, from `library status`."""
        done = self.library("status", "--json")
        assert done.returncode in (0, 1), done.stderr
        said = json.loads(done.stdout)
        return {process["name"]: process for process in said["processes"]} | {"lag": said["lag"]}

    def runs(self) -> bool:
        """Whether every process runs and the lag is 0."""
        said = self.status()
        return said.pop("lag") == 0 and all(process["state"] == "running" for process in said.values())

    def send(self, command_id: str, **command: Any) -> tuple[int, dict[str, Any]]:
        """Send a command to the gateway; return status and response."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": command_id}
        return self._ask(self.gateway_port, "POST", "/commands", json.dumps(command), headers)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET from the query API; return status and response."""
        return self._ask(self.port, "GET", path, None, {})

    def _ask(
        self, port: int, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def _environment() -> dict[str, str]:
    """The environment of the tests without the settings of another system."""
    kept = ("LIBRARY_JARS", "LIBRARY_MAVEN_REPOSITORY")
    return {
        name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_") or name in kept
    }
