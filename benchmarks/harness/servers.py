"""The measured servers: ours, Kafka Streams' interactive query, and nginx with a file."""

import http.client
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.harness.contestants import HEAP, JAR, ours
from benchmarks.harness.processes import Processes, python
from benchmarks.harness.progress import Group
from benchmarks.harness.waiting import until
from eventstore.topics import events_topic
from foundation.settings import Settings
from library.broker.java import find_java
from library.process.ports import HOST, free_port
from library.system.readiness import GATEWAY, is_ready


class Server:
    """A server that answers at ``url``."""

    def __init__(self, url: str, processes: Processes) -> None:
        self.url, self.processes = url, processes

    def get(self, path: str) -> tuple[Any, dict[str, str]]:
        """GET a path; return the JSON and the headers."""
        status, body, headers = self._answer(path)
        assert status == 200, (path, status, body)
        return json.loads(body), headers

    def has(self, path: str) -> bool:
        """Whether a GET is answered with 200."""
        return self._answer(path)[0] == 200

    def _answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, answer.read(), headers
        finally:
            connection.close()


@contextmanager
def projecting(settings: Settings, folder: Path) -> Iterator[None]:
    """Run our projector; continue when it has read everything."""
    entry = ours(settings, folder / "projector", 1)
    group = Group(settings, entry.group)
    with Processes(entry.commands, entry.environment, folder / "projecting") as processes:
        until(lambda: group.lag() == 0, 600, "the projector to catch up", meanwhile=processes.check)
        yield


@contextmanager
def query_api(
    settings: Settings, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run our query API; yield it when it is ready."""
    port = free_port()
    options = ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", str(folder / "data")]
    command = python("query_api", *options, "--port", str(port))
    with _serving([command], port, folder, environment) as server:
        # Earlier releases do not name their service
        ready = partial(_answers, server, "/readyz")
        until(ready, 600, "the query API to be ready", meanwhile=server.processes.check)
        yield server


@contextmanager
def kafka_streams(settings: Settings, folder: Path, isbn: str, *options: str) -> Iterator[Server]:
    """Run the Java peer; yield it when it has read everything and answers for a title.

    ``options`` override those of the queries' benchmark, as the cache.
    """
    port, application = free_port(), f"{settings.name}-peer-{uuid4().hex[:8]}"
    command = [find_java(settings.java, os.environ), HEAP, "-jar", str(JAR), "--kafka", settings.kafka]
    command += ["--events", events_topic(settings), "--application", application, "--cached", "true"]
    command += ["--state-dir", str(folder / "state"), "--http-port", str(port), *options]
    group = Group(settings, application)
    with _serving([command], port, folder) as server:
        until(lambda: group.lag() == 0, 600, "Kafka Streams to catch up", meanwhile=server.processes.check)
        assert server.get(f"/inventory/{isbn}")[0]["isbn"] == isbn
        yield server


@contextmanager
def nginx(body: bytes, folder: Path) -> Iterator[Server | None]:
    """Run nginx with one worker and one open file; yield None if it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None:
        yield None
        return
    port = free_port()
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "title").write_bytes(body)
    config = folder / "nginx.conf"
    config.write_text(
        f"user {getuser()}; daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 10000000; open_file_cache max=10;\n"
        f"server {{ listen {HOST}:{port}; root {folder}/files; default_type application/json; }} }}\n",
        "utf-8",
    )
    with _serving([[program, "-p", str(folder), "-c", str(config)]], port, folder) as server:
        until(lambda: _answers(server, "/title"), 20, "nginx to answer", meanwhile=server.processes.check)
        yield server


@contextmanager
def _serving(
    commands: list[list[str]], port: int, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    with Processes(commands, environment or {}, folder / "output") as processes:
        yield Server(f"http://{HOST}:{port}", processes)


def _answers(server: Server, path: str) -> bool:
    try:
        return server.has(path)
    except OSError:
        return False


@contextmanager
def gateway(
    settings: Settings, folder: Path, limit_s: float = 120, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run our gateway; yield it when it is ready. Those of one ``folder`` share their data directory."""
    port = free_port()
    # Snapshots are kept only if the data directory exists
    (folder / "data").mkdir(parents=True, exist_ok=True)
    options = ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", str(folder / "data")]
    command = python("producer", "gateway", *options, "--gateway-port", str(port))
    with Processes([command], environment or {}, folder / f"output-{port}") as processes:
        url = f"http://{HOST}:{port}"
        until(lambda: is_ready(url, GATEWAY), limit_s, "the gateway to be ready", meanwhile=processes.check)
        yield Server(url, processes)
