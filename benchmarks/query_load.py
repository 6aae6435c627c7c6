"""Load on an HTTP server: wrk, with requests that go round."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

SECONDS = 5
WARM_UP = 5
"""Long enough for a JIT."""
CONNECTIONS = (1, 32)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class NoLoadGenerator(Exception):
    """wrk is not installed."""


class Request(NamedTuple):
    """A GET; ``tag`` is sent as If-None-Match."""

    path: str
    tag: str | None = None


class Load(Struct, frozen=True):
    """What a server took: answers a second, and how long they took."""

    name: str
    case: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    memory_mb: float = 0.0


class LoadError(Exception):
    """Answers other than those that were asked for, so that the figures mean nothing."""


def require_wrk() -> None:
    """Raises NoLoadGenerator."""
    if shutil.which("wrk") is None:
        raise NoLoadGenerator("wrk is needed: on Debian, apt-get install wrk")


def script(requests: Sequence[Request], file: Path) -> Path:
    """A wrk script that asks these one after the other, again and again."""
    made = ",".join(
        f'wrk.format("GET","{r.path}"' + (f",{{[\"If-None-Match\"]='{r.tag}'}})" if r.tag else ")")
        for r in requests
    )
    # Made once: what wrk does for each request should not be what is measured
    file.write_text(
        f"local made\nlocal n = 0\nfunction init() made = {{{made}}} end\n"
        "function request() n = n % #made + 1; return made[n] end\n",
        "utf-8",
    )
    return file


def load(url: str, lua: Path, connections: int, seconds: int = SECONDS) -> tuple[float, float, float]:
    """Requests a second, and the 50th and 99th percentile in ms. Raises LoadError."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(lua), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    if found := re.search(r"(Non-2xx or 3xx responses|Socket errors): .*", done.stdout):
        raise LoadError(f"{url}: {found[0]}")
    rate = re.search(r"Requests/sec: +([0-9.]+)", done.stdout)
    assert rate is not None, done.stdout
    return float(rate[1]), percentile(done.stdout, 50), percentile(done.stdout, 99)


def percentile(text: str, percent: int) -> float:
    """A percentile, in ms, from what wrk printed."""
    found = re.search(rf"^ +{percent}% +([0-9.]+)(us|ms|s) *$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * _UNITS[found[2]]
