"""A container engine to test on: the one that answers, else one of our own for the length of the tests."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.containers import debian
from tests.containers.commands import Failed, NoContainers, run

BRIDGE = Path("/sys/class/net/docker0")


class Engine(Struct, frozen=True):
    """An engine that answers, and the environment in which the Docker client finds it and its plugins."""

    environment: dict[str, str]
    ours: bool

    def docker(self, *arguments: str, timeout: float = 600) -> str:
        """What the client wrote on stdout. Raises Failed."""
        return run("docker", *arguments, environment=self.environment, timeout=timeout)

    def has(self, image: str) -> bool:
        """Whether the image is there without a pull."""
        return answers(self.environment, "image", "inspect", image)


def answers(environment: Mapping[str, str], *arguments: str) -> bool:
    """Whether the Docker client succeeds with the arguments."""
    try:
        run("docker", *arguments, environment=environment, timeout=30)
    except Failed:
        return False
    return True


@contextmanager
def engine() -> Iterator[Engine]:
    """An engine with compose v2 and buildx; what had to be started is stopped and removed at the end.

    Raises NoContainers.
    """
    with tempfile.TemporaryDirectory(prefix="library-engine-") as folder:
        home, environment = Path(folder), dict(os.environ)
        if answers(environment, "version"):
            _plugins(home, environment)
            yield Engine(environment, ours=False)
            return
        try:
            debian.require_debian()
        except NoContainers as error:
            raise NoContainers(f"no container engine answers, and {error}") from error
        with _started(home) as socket:
            environment["DOCKER_HOST"] = f"unix://{socket}"
            _plugins(home, environment)
            yield Engine(environment, ours=True)


def _plugins(home: Path, environment: dict[str, str]) -> None:
    if answers(environment, "compose", "version") and answers(environment, "buildx", "version"):
        return
    debian.require_debian()
    client = home / "client"
    debian.client_plugins(client)
    environment["DOCKER_CONFIG"] = str(client)


@contextmanager
def _started(home: Path) -> Iterator[Path]:
    debian.install(dockerd="docker.io", setpriv="util-linux", ip="iproute2")
    had_bridge, socket, log = BRIDGE.exists(), home / "docker.sock", home / "dockerd.log"
    command = [
        # It ends with the tests even when they are killed, and takes its containers along
        *("setpriv", "--pdeathsig", "TERM"),
        *("dockerd", "--host", f"unix://{socket}", "--pidfile", str(home / "dockerd.pid")),
        *("--data-root", str(home / "data"), "--exec-root", str(home / "exec")),
        # Published ports go through its proxy: no rule of this machine's firewall is touched
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
    ]
    print("starting a container engine", flush=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        limit = time.monotonic() + 60
        while not answers({**os.environ, "DOCKER_HOST": f"unix://{socket}"}, "version"):
            if process.poll() is not None or time.monotonic() > limit:
                last = " / ".join(log.read_text("utf-8").splitlines()[-3:])
                raise NoContainers(f"the container engine does not start here: {last}")
        yield socket
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not had_bridge and BRIDGE.exists():
            run("ip", "link", "delete", BRIDGE.name)
