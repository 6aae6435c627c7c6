"""Partitions of an import appended by several processes: one alone is slower than Kafka.

A worker is ``python -m producer.imports.worker``. It is told what to do, and tells what it did, in lines of
JSON on its standard streams; so it ends when its parent does.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TypeAlias, assert_never

import msgspec
from msgspec import Struct

from producer.imports.appending import Counts, Share, Stopped, Task

PATIENCE = 20.0
"""Seconds that a worker gets to end a transaction when the import is stopped."""


class Batch(Struct, frozen=True, tag=True):
    """A transaction was committed."""

    counts: Counts


class Done(Struct, frozen=True, tag=True):
    """A share is appended."""


class Halted(Struct, frozen=True, tag=True):
    """The worker has ended before its share did; see Stopped."""

    reason: str
    begun: bool


Said: TypeAlias = Batch | Done | Halted
_SAID: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


class Workers:
    """``count`` processes that wait for work, and end with this object."""

    def __init__(self, count: int) -> None:
        self.count = count
        # -P: no module of the folder that the user happens to be in
        command = [sys.executable, "-P", "-m", "producer.imports.worker"]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            _stop(process)
        for process in self._processes:
            _wait(process)

    def append(self, task: Task, shares: Sequence[Share]) -> Iterator[Counts]:
        """Append ``shares``, each in one process; the counts of each transaction. Raises Stopped."""
        todo, heard = SimpleQueue[Share](), SimpleQueue[Said]()
        for share in shares:
            todo.put(share)
        for process in self._processes:
            threading.Thread(target=_drive, args=(process, task, todo, heard), daemon=True).start()
        left = len(shares)
        while left:
            said = heard.get()
            match said:
                case Batch(counts):
                    yield counts
                case Done():
                    left -= 1
                case Halted(reason, begun):
                    raise Stopped(reason, begun)
                case _:
                    assert_never(said)


def _drive(
    process: subprocess.Popen[bytes], task: Task, todo: SimpleQueue[Share], heard: SimpleQueue[Said]
) -> None:
    """Give the process one share after the other, and pass on what it says."""
    try:
        _tell(process, task)
        while True:
            try:
                share = todo.get_nowait()
            except Empty:
                return
            _tell(process, share)
            said: Said | None = None
            while not isinstance(said, Done):
                said = _hear(process)
                heard.put(said)
    # ValueError: what it said is no JSON, or its input was closed because the import is stopped
    except (OSError, EOFError, ValueError) as error:
        heard.put(Halted(f"a process of the import has ended: {error}", True))


def _tell(process: subprocess.Popen[bytes], what: Task | Share) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(what) + b"\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[bytes]) -> Said:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise EOFError("it says nothing any more")
    return _SAID.decode(line)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    """Let it end: at once if it waits for a share, else after its transaction."""
    assert worker.stdin is not None
    with suppress(BrokenPipeError):
        worker.stdin.close()
    worker.terminate()


def _wait(worker: subprocess.Popen[bytes]) -> None:
    try:
        worker.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
