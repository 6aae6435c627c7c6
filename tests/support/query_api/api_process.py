"""The query API as a process of its own, and a client for it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec

from foundation.settings import PREFIX, Settings
from library.process.ports import free_port
from tests.support.waiting import LIMIT_S, eventually

KILLED_API = Path(__file__).with_name("killed_api.py")


class ApiProcess:
    """A running query API."""

    def __init__(self, settings: Settings) -> None:
        self.settings = msgspec.structs.replace(settings, port=free_port())
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self.log = Path(self.settings.data_dir) / f"api-{self.settings.port}.log"
        self.client = httpx.Client(base_url=self.url, timeout=40)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True, die_at: str = "") -> "ApiProcess":
        """Start the process, and wait until it is ready, or at least answers.

        ``die_at``: the place at which it kills itself, see ``killed_api``.
        """
        program = [str(KILLED_API), die_at] if die_at else ["-m", "query_api"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        default = Settings()
        changed = {
            f"{PREFIX}{name.upper()}": str(value)
            for name in Settings.__struct_fields__
            if (value := getattr(self.settings, name)) != getattr(default, name)
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", *program], env=kept | changed, stderr=log, cwd=self.log.parent
            )
        eventually(self.is_ready if ready else self.answers)
        return self

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def is_ready(self) -> bool:
        """Whether its /readyz answers 200."""
        return self.answers("/readyz") == 200

    def killed_itself(self) -> bool:
        """Whether it ended by SIGKILL."""
        assert self._process is not None
        return self._process.poll() == -signal.SIGKILL

    def answers(self, path: str = "/healthz") -> int | None:
        """The status of a GET; None while nobody listens."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the query API ended: {self.log.read_text('utf-8')[-2000:]}")
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return None

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as a supervisor does."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(LIMIT_S)
