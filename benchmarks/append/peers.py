"""The peer of our gateway: the library `eventsourcing` on SQLite, and on PostgreSQL if it is installed."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwnam
from statistics import quantiles

from msgspec import Struct

from benchmarks.harness.processes import python
from benchmarks.harness.results import say
from benchmarks.harness.waiting import until
from library.process.ports import HOST, free_port

CLIENT_START_S = 1.5
"""Time for the clients to import their modules. Then all begin at the same moment."""
_BINARIES = "/usr/lib/postgresql"
_SERVER_USER = "postgres"


class Commands(Struct, frozen=True):
    """The rate of commands from concurrent clients that wait for each answer."""

    name: str
    durability: str
    clients: int
    commands_per_second: float
    p50_ms: float
    p99_ms: float


def sqlite(folder: Path, durability: str, clients: int, seconds: float) -> Commands:
    """Measure clients that share one SQLite file."""
    folder.mkdir(parents=True)
    store = {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(folder / "events.sqlite"),
        "SQLITE_LOCK_TIMEOUT": "30",
    }
    return _measured("eventsourcing-sqlite", store, durability, clients, seconds)


def postgresql(port: int, durability: str, clients: int, seconds: float) -> Commands:
    """Measure clients of the server on ``port``."""
    store = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": "postgres",
        "POSTGRES_HOST": HOST,
        "POSTGRES_PORT": str(port),
        "POSTGRES_USER": _SERVER_USER,
        "POSTGRES_PASSWORD": "unused",
    }
    return _measured("eventsourcing-postgresql", store, durability, clients, seconds)


def _measured(name: str, store: Mapping[str, str], durability: str, clients: int, seconds: float) -> Commands:
    # The first client creates the tables; several at once would conflict
    _finished([_client(store, durability, time.time(), 0.1)])
    made = {**store, "CREATE_TABLE": "no"}
    begin_at = time.time() + CLIENT_START_S + 0.2 * clients
    took = _finished([_client(made, durability, begin_at, seconds) for _ in range(clients)])
    percentiles = quantiles([1000 * one for one in took], n=100)
    return Commands(
        name,
        durability,
        clients,
        round(len(took) / seconds),
        round(percentiles[49], 2),
        round(percentiles[98], 2),
    )


def _client(
    store: Mapping[str, str], durability: str, begin_at: float, seconds: float
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        python("benchmarks.eventsourcing_peer", str(begin_at), str(seconds)),
        env=os.environ | dict(store) | {"BENCHMARK_DURABILITY": durability},
        stdout=subprocess.PIPE,
    )


def _finished(clients: list[subprocess.Popen[bytes]]) -> list[float]:
    took: list[float] = []
    for client in clients:
        out, _ = client.communicate(timeout=180)
        assert client.returncode == 0, f"a client of eventsourcing ended with {client.returncode}"
        took += json.loads(out)
    return took


@contextmanager
def postgresql_server(durability: str) -> Iterator[int | None]:
    """Run a PostgreSQL server and yield its port, or None if PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        say("PostgreSQL is not installed (on Debian, apt-get install postgresql): skipped")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="library-postgresql-") as name:
        folder, port = Path(name), free_port()
        process = _started(binaries, folder, port, durability)
        try:
            ready = [str(binaries / "pg_isready"), "-q", "-h", HOST, "-p", str(port)]
            until(lambda: subprocess.run(ready, check=False).returncode == 0, 60, "PostgreSQL to be ready")
            yield port
        finally:
            # A "fast" shutdown does not wait for clients
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _started(binaries: Path, folder: Path, port: int, durability: str) -> subprocess.Popen[bytes]:
    prefix = _as_server_user(folder)
    data = folder / "data"
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", _SERVER_USER, "-A", "trust", "-E", "UTF8"]
    subprocess.run([*prefix, *initdb], check=True, capture_output=True, timeout=120, cwd=folder)
    settings = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
    if durability == "os":
        # As Kafka acknowledges from the page cache: written, not flushed
        settings |= {"fsync": "off", "synchronous_commit": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "server.log").open("wb") as log:
        command = [*prefix, str(binaries / "postgres"), "-D", str(data), *options]
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)


def _binaries() -> Path | None:
    # Debian does not put the server's programs into PATH
    candidates = [found.parent for found in sorted(Path(_BINARIES).glob("*/bin/initdb"))]
    if (program := shutil.which("initdb")) is not None:
        candidates.append(Path(program).resolve().parent)
    return candidates[-1] if candidates else None


def _as_server_user(folder: Path) -> list[str]:
    """Return a prefix that runs a command as another user: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    user = getpwnam(_SERVER_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
