"""Simulates a power cut: every file as it was at its last flush.

``strace`` tells what the broker wrote and flushed. Of a file that grows at its end, what was written before
the last finished flush survives; the rest was only in the page cache.
"""

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CALL = re.compile(r"(?P<pid>\d+) +(?P<time>[\d.]+) (?P<name>\w+)\(\d+<(?P<path>[^>]*)>.*")
RESUMED = re.compile(r"(?P<pid>\d+) +(?P<time>[\d.]+) <\.\.\. (?P<name>\w+) resumed>.*")
RESULT = re.compile(r".*\) += (?P<result>-?\d+)")
REBUILT = ("*.index", "*.timeindex", "*.txnindex", "*.snapshot")
"""Files that Kafka rebuilds from its logs after an unclean shutdown."""


@contextmanager
def traced(pid: int, output: Path) -> Iterator[None]:
    """Trace the process' writes and flushes into ``output``; skip the test if that is not possible."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt-get install strace")
    calls = "trace=write,pwrite64,writev,fsync,fdatasync"
    with subprocess.Popen(
        ["strace", "-f", "-y", "-ttt", "-s", "0", "-e", calls, "-o", str(output), "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        assert tracer.stderr is not None
        for line in tracer.stderr:
            if "attached" in line:
                break
        else:
            pytest.skip("strace may not look at another process here (ptrace is not permitted)")
        try:
            yield
        finally:
            tracer.terminate()


def flushed(trace: Path, until: float) -> dict[Path, int]:
    """Bytes of each file, written since the trace began, that were on disk at the time ``until``."""
    written: dict[str, int] = defaultdict(int)
    on_disk: dict[str, int] = defaultdict(int)
    begun: dict[str, tuple[str, str, int]] = {}
    for line in trace.read_text("utf-8", errors="replace").splitlines():
        if call := CALL.match(line):
            # A flush covers the writes before its start
            begun[call["pid"]] = (call["name"], call["path"], written[call["path"]])
        else:
            call = RESUMED.match(line)
        result = RESULT.match(line)
        if call is None or result is None or call["pid"] not in begun or float(call["time"]) > until:
            continue
        name, path, covered = begun.pop(call["pid"])
        if name in ("fsync", "fdatasync"):
            on_disk[path] = max(on_disk[path], covered)
        else:
            written[path] += max(0, int(result["result"]))
    return {Path(path): on_disk[path] for path in written if path.endswith(".log")}


def cut(data: Path, sizes: dict[Path, int], survived: dict[Path, int], copy: Path) -> None:
    """Copy a broker's directory as a power cut would leave it.

    ``sizes`` are the logs' before the trace, all of which had been flushed; ``survived`` is what was
    flushed since.
    """
    shutil.copytree(data, copy)
    for pattern in REBUILT:
        for file in copy.rglob(pattern):
            file.unlink()
    for file in copy.rglob("*.log"):
        original = data / file.relative_to(copy)
        with file.open("r+b") as log:
            log.truncate(sizes.get(original, 0) + survived.get(original, 0))
