"""A whole system started by `library up` in a folder, and commands for it."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from foundation.loaded_settings import load
from foundation.settings import Settings
from library.store.offsets import table_lag
from library.system.control import connected
from library.system.run_file import Run, read_run
from producer.imports.run import log_ends
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually

PROGRAM = [sys.executable, "-m", "library"]
ROOT = Path(__file__).parents[3]
COMMAND_TIMEOUT_S = 100


class Response(NamedTuple):
    """A response of the gateway or the query API, with its JSON."""

    status: int
    value: Any


class System:
    """One system and its folder; nothing runs before ``up``."""

    def __init__(self, folder: Path, partitions: int = 2) -> None:
        self.folder = folder
        self.program = PROGRAM
        self.data_dir = folder / ".library"
        self.partitions = partitions
        # The last two are for the projector's metrics and the audit
        self.port, self.gateway_port, self.kafka_port, *_ = stable_ports(5)

    @property
    def flags(self) -> list[str]:
        """Flags of `up`; the page cache is durable enough for tests."""
        named = {
            "--port": self.port,
            "--gateway-port": self.gateway_port,
            "--kafka-port": self.kafka_port,
            "--partitions": self.partitions,
            "--durability": "os",
        }
        return [str(part) for pair in named.items() for part in pair]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the tests without the settings of another system, and with this source tree."""
        kept = ("LIBRARY_JARS", "LIBRARY_MAVEN_REPOSITORY")
        ours = {k: value for k, value in os.environ.items() if not k.startswith("LIBRARY_") or k in kept}
        return ours | {"PYTHONPATH": str(ROOT)}

    @property
    def settings(self) -> Settings:
        """The settings that a command in the folder has."""
        return load({}, {}, self.folder).settings

    def library(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `library` in the system's folder, with ``more`` in its environment."""
        return subprocess.run(
            [*self.program, *arguments],
            cwd=self.folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """Run a command, check that it ends with 0, and return its output."""
        completed = self.library(*arguments)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    def receipt(self, *arguments: str) -> dict[str, Any]:
        """Run an accepted command with --wait; return its receipt."""
        receipt: dict[str, Any] = json.loads(self.done(*arguments, "--json", "--wait"))
        return receipt

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command; the caller waits for its end."""
        return subprocess.Popen(
            [*self.program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(self, *arguments: str, **more: str) -> str:
        """Run a command on a terminal of 200 columns; return the screen."""
        ours, its = os.openpty()
        with os.fdopen(ours, "rb", buffering=0) as screen:
            process = subprocess.Popen(
                [*self.program, *arguments],
                cwd=self.folder,
                env=self.environment | {"COLUMNS": "200", "TERM": "xterm"} | more,
                stdout=its,
            )
            os.close(its)
            shown = b""
            # A terminal whose last program has ended returns an error instead of end-of-file
            with suppress(OSError):
                while chunk := screen.read(4096):
                    shown += chunk
            assert process.wait(COMMAND_TIMEOUT_S) == 0
        return shown.decode()

    @contextmanager
    def in_foreground(self) -> Iterator[subprocess.Popen[str]]:
        """`library up`, not detached; killed at the end if it still runs."""
        with self.start("up", *self.flags) as process:
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

    @contextmanager
    def running(self, *more: str, **environment: str) -> Iterator[subprocess.CompletedProcess[str]]:
        """Start it, check that `up` ends with 0, and stop it at the end."""
        try:
            done = self.up(*more, **environment)
            assert done.returncode == 0, done.stderr
            yield done
        finally:
            self.down()

    @property
    def run(self) -> Run:
        """Its run file."""
        found = read_run(self.data_dir)
        assert found is not None
        return found

    def pid(self, name: str) -> int:
        """The present process id of the member ``name``."""
        return eventually(lambda: {known.name: known.pid for known in self.run.processes}.get(name))

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL; wait until the supervisor has restarted it."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)

        def is_back() -> bool:
            now = self.status()[name]
            return bool(now["state"] == "running" and now["pid"] != before)

        eventually(is_back)

    def status(self) -> dict[str, Any]:
        """Its processes by name, as the supervisor reports them; asking again and again starts no program."""
        with connected(self.data_dir) as control:
            return {process["name"]: process for process in control.request("status")["processes"]}

    def runs(self) -> bool:
        """Whether every process runs and the lag is 0."""
        running = all(process["state"] == "running" for process in self.status().values())
        return running and table_lag(self.settings) == 0

    def ends(self) -> list[int]:
        """The end offset of each partition of the event store."""
        return log_ends(self.settings)

    def send(self, command_id: str, **command: Any) -> Response:
        """Send a command to the gateway."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": command_id}
        return self._request(self.gateway_port, "POST", "/commands", json.dumps(command), headers)

    def get(self, path: str, **parameters: str) -> Response:
        """GET from the query API."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self._request(self.port, "GET", path + query, None, {})

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

    def _request(
        self, port: int, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Response(answer.status, json.loads(answer.read()))
        finally:
            connection.close()
