"""The system that docker-compose.yml describes, under a name and ports of its own."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4

from foundation.settings import Settings
from library.process.ports import HOST
from tests.containers.commands import Failed, run
from tests.containers.engine import Engine
from tests.containers.images import Images
from tests.support.stable_ports import stable_ports
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
API_PORTS = 4
GATEWAY_PORTS = 3
TAG = f"test-{uuid4().hex[:8]}"
"""Of the project's image: built by the first system of a run, used by all."""
IMAGE = f"library-inventory:{TAG}"


class System:
    """One compose project, and the programs on this machine that use it."""

    def __init__(self, engine: Engine, images: Images, folder: Path, *options: str) -> None:
        """``options`` are compose's own, before its command; ``folder`` is where the programs run."""
        self._engine, self._folder = engine, folder
        self.project = f"library-test-{uuid4().hex[:8]}"
        single = ("kafka", "kafka2", "kafka3")
        ports = stable_ports(len(single) + API_PORTS + GATEWAY_PORTS)
        self._ports = dict(zip(single, ports, strict=False))
        apis, gateways = ports[-API_PORTS:], ports[len(single) : -API_PORTS]
        self._environment = engine.environment | {
            "COMPOSE_PROJECT_NAME": self.project,
            "IMAGE_TAG": TAG,
            "KAFKA_IMAGE": images.kafka,
            "PYTHON_IMAGE": images.python,
            "LIBRARY_KAFKA_PORT": str(self._ports["kafka"]),
            "KAFKA2_PORT": str(self._ports["kafka2"]),
            "KAFKA3_PORT": str(self._ports["kafka3"]),
            "GATEWAY_PORTS": f"{gateways[0]}-{gateways[-1]}",
            "API_PORTS": f"{apis[0]}-{apis[-1]}",
        }
        files = [ROOT / "docker-compose.yml"]
        if engine.ours:
            files.append(Path(__file__).with_name("own_engine.yml"))
        self._compose = ["docker", "compose", *(f"--file={file}" for file in files), *options]

    def compose(self, *arguments: str) -> str:
        """What ``docker compose`` wrote on stdout; from another folder, as a user might. Raises Failed."""
        return run(
            *self._compose, *arguments, environment=self._environment, folder=self._folder, timeout=900
        )

    def up(self, *options: str) -> None:
        """Start what is not running, and wait until all are healthy. Raises Failed with their last words."""
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout=300", *options)
        except Failed as error:
            raise Failed(f"{error}\n{self.compose('ps', '--all')}\n{self.log_tail()}") from error

    def remove(self) -> None:
        """Everything, the data too."""
        self.compose("down", "--volumes", "--timeout=20", "--remove-orphans")

    def kill(self, service: str, index: int = 1) -> None:
        """kill -9 of all in a container of the service, but for the init process that notices it."""
        self.compose("exec", "-T", f"--index={index}", service, "sh", "-c", "kill -9 -1")

    def restarts(self, service: str) -> int:
        """How often the engine has started its containers again."""
        containers = self.compose("ps", "--quiet", service).split()
        counts = self._engine.docker("inspect", "--format={{.RestartCount}}", *containers)
        return sum(map(int, counts.split()))

    def ports(self) -> list[str]:
        """All ports of its containers: ``127.0.0.1:8080->8080/tcp`` where one is published."""
        return self.compose("ps", "--format", "{{.Ports}}").replace(",", " ").split()

    def volumes(self) -> set[str]:
        """The names of all volumes that its containers have."""
        containers = self.compose("ps", "--all", "--quiet").split()
        form = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
        return set(self._engine.docker("inspect", f"--format={form}", *containers).split())

    def log_tail(self) -> str:
        """The last lines of every container's log."""
        return self.compose("logs", "--tail=15", "--no-color")

    def library(self, *arguments: str, gateway: str = "") -> "subprocess.CompletedProcess[str]":
        """The command line of this machine, with the first gateway unless another one is given."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")}
        brokers = (self._ports[name] for name in ("kafka", "kafka2", "kafka3"))
        own |= {
            "LIBRARY_KAFKA": ",".join(f"{HOST}:{port}" for port in brokers),
            "LIBRARY_API": self.apis()[0],
            "LIBRARY_GATEWAY": gateway or self.gateway,
        }
        return subprocess.run(
            [sys.executable, "-P", "-m", "library", *arguments],
            env=own,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def settings(self) -> Settings:
        """The system as a program on this machine reaches its Kafka."""
        return Settings(kafka=f"{HOST}:{self._ports['kafka']}")

    @property
    def gateway(self) -> str:
        """Where the first gateway answers."""
        return self.gateways()[0]

    def gateways(self, count: int = 1) -> list[str]:
        """Where the gateways answer; one that is being started again has no port for a moment."""
        return [eventually(lambda n=n: self._published("gateway", 8081, n)) for n in range(1, count + 1)]

    def apis(self, count: int = 1) -> list[str]:
        """Where the query APIs answer, as ``gateways``."""
        return [eventually(lambda n=n: self._published("query_api", 8080, n)) for n in range(1, count + 1)]

    def _published(self, service: str, port: int, index: int) -> str:
        try:
            return f"http://{self.compose('port', f'--index={index}', service, str(port)).strip()}"
        except Failed:
            return ""

    def get(self, path: str, api: str | None = None) -> tuple[int, Any]:
        """Status and JSON body; status 0: nobody answers."""
        try:
            with urllib.request.urlopen((api or self.apis()[0]) + path, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError as error:
            return 0, str(error)
