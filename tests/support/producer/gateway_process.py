"""Gateway processes, and requests to them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from foundation.http.problem import PROBLEM_JSON
from foundation.settings import PREFIX, Settings
from inventory.commands import AnyCommand
from library.process.die_with_parent import dying_with_me
from library.process.ports import free_port
from tests.support.freezing import freeze, thaw
from tests.support.metrics import read_metrics
from tests.support.waiting import LIMIT_S, eventually

ROOT = Path(__file__).parents[3]


class GatewayProcess:
    """A gateway process of the system, on its own port."""

    command: Sequence[str] = ("-P", "-m", "producer", "gateway")
    """Arguments for Python, in the repository."""

    def __init__(self, settings: Settings, **environment: str) -> None:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.settings = msgspec.structs.replace(settings, gateway_port=port, gateway=url)
        self.client = httpx.Client(base_url=url, timeout=60)
        self.log = Path(settings.data_dir) / f"gateway-{port}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = environment

    def start(self) -> "GatewayProcess":
        """Start it, and wait until it is ready."""
        self.launch()
        eventually(self.is_ready)
        return self

    def launch(self) -> None:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        told = {
            f"{PREFIX}{name.upper()}": str(getattr(self.settings, name))
            for name in Settings.__struct_fields__
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                dying_with_me([sys.executable, *self.command]),
                env=kept | told | self._environment,
                cwd=ROOT,
                stderr=log,
            )

    def is_ready(self) -> bool:
        """Whether its /readyz says so."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the gateway ended: {self.log.read_text('utf-8')[-2000:]}")
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def partitions(self) -> list[int]:
        """Those that it has."""
        partitions: list[int] = self.client.get("/readyz").json()["partitions"]
        return partitions

    def forwarded(self, result: str) -> float:
        """How many commands it has sent to others; one that waits there counts as ``answered``."""
        samples = read_metrics(self.client.get("/metrics").text, "result")
        return samples["library_gateway_forwarded_total", result]

    def post(self, command: AnyCommand | bytes, key: str | None = None, **headers: str) -> httpx.Response:
        """Send a command, with a new key unless one is given."""
        return post(self.client, command, key, **headers)

    def freeze(self) -> None:
        """Freeze it at an arbitrary point."""
        assert self.process is not None
        freeze(self.process.pid)

    def thaw(self) -> None:
        """Let it continue."""
        assert self.process is not None
        thaw(self.process.pid)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


def post(
    client: httpx.Client, command: AnyCommand | bytes, key: str | None = None, **headers: str
) -> httpx.Response:
    """Send a command; ``content_type="text/plain"`` is the header content-type."""
    given: dict[str, Any] = {
        "content-type": "application/json",
        "idempotency-key": uuid4().hex if key is None else key,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    body = command if isinstance(command, bytes) else msgspec.json.encode(command)
    return client.post("/commands", content=body, headers={k: v for k, v in given.items() if v})


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Check that ``answer`` is this problem document, and return it."""
    assert answer.headers["content-type"] == PROBLEM_JSON
    document: dict[str, object] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code), document
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    return document


@contextmanager
def running_gateway(settings: Settings) -> Iterator[GatewayProcess]:
    """Run a gateway while the context is open."""
    gateway = GatewayProcess(settings)
    try:
        yield gateway.start()
    finally:
        gateway.client.close()
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait(LIMIT_S)
