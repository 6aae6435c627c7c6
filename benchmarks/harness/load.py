"""Load on an HTTP server, by wrk with a cycle of requests."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

LOAD_S = 5
WARM_UP_S = 5
"""Long enough for a JIT compiler."""
CONNECTIONS = (1, 32)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class NoLoadGenerator(Exception):
    """wrk is not installed."""


class Request(NamedTuple):
    """A GET request; ``tag`` is sent as If-None-Match."""

    path: str
    tag: str | None = None


class Load(Struct, frozen=True):
    """The rate and latency of a server's responses."""

    name: str
    case: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    memory_mb: float = 0.0


class LoadError(Exception):
    """Some responses were not the expected ones; the figures are void."""


def require_wrk() -> None:
    """Raise NoLoadGenerator if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise NoLoadGenerator("wrk is needed: on Debian, apt-get install wrk")


def script(requests: Sequence[Request], file: Path) -> Path:
    """Write a wrk script that sends these requests in a cycle."""
    made = ",".join(
        f'wrk.format("GET","{r.path}"' + (f",{{[\"If-None-Match\"]='{r.tag}'}})" if r.tag else ")")
        for r in requests
    )
    # Formatted once: the work of wrk must not be measured
    file.write_text(
        f"local made\nlocal n = 0\nfunction init() made = {{{made}}} end\n"
        "function request() n = n % #made + 1; return made[n] end\n",
        "utf-8",
    )
    return file


def load(url: str, lua: Path, connections: int, seconds: int = LOAD_S) -> tuple[float, float, float]:
    """Return requests/s and the 50th and 99th percentile in ms. Raises LoadError."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(lua), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    if found := re.search(r"(Non-2xx or 3xx responses|Socket errors): .*", done.stdout):
        raise LoadError(f"{url}: {found[0]}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    assert rate is not None, done.stdout
    return float(rate[1]), percentile(done.stdout, 50), percentile(done.stdout, 99)


def percentile(text: str, percent: int) -> float:
    """Parse a percentile from the output of wrk, in ms."""
    found = re.search(rf"^ +{percent}% +([0-9.]+)(us|ms|s) *$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * _UNITS[found[2]]
