"""Several processes that append the partitions of an import: a single one is slower than Kafka.

A worker is ``python -m producer.imports.worker``. It reads its work from standard input and writes its
progress to standard output, both as lines of JSON: it ends when its parent does.
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

from producer.imports.appending import Committed, Share, Stopped, Task

STOP_TIMEOUT_S = 20.0
"""How long a worker may take to finish its transaction when the import stops."""


class Done(Struct, frozen=True, tag=True):
    """A share is appended."""


class Halted(Struct, frozen=True, tag=True):
    """The worker stopped before its share was appended; see Stopped."""

    reason: str
    begun: bool


Message: TypeAlias = Committed | Done | Halted
_MESSAGE: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class Workers:
    """``count`` processes that wait for work. They end with this object."""

    def __init__(self, count: int) -> None:
        self.count = count
        # -P: import no module from the user's current folder
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

    def append(self, task: Task, shares: Sequence[Share]) -> Iterator[Committed]:
        """Append ``shares``, each in one process; yields each transaction. Raises Stopped."""
        todo, messages = SimpleQueue[Share](), SimpleQueue[Message]()
        for share in shares:
            todo.put(share)
        for process in self._processes:
            threading.Thread(target=_drive, args=(process, task, todo, messages), daemon=True).start()
        remaining = len(shares)
        while remaining:
            message = messages.get()
            match message:
                case Committed():
                    yield message
                case Done():
                    remaining -= 1
                case Halted(reason, begun):
                    raise Stopped(reason, begun)
                case _:
                    assert_never(message)


def _drive(
    process: subprocess.Popen[bytes], task: Task, todo: SimpleQueue[Share], messages: SimpleQueue[Message]
) -> None:
    """Give the process one share after the other, and pass its messages on."""
    try:
        _send(process, task)
        while True:
            try:
                share = todo.get_nowait()
            except Empty:
                return
            _send(process, share)
            message: Message | None = None
            while not isinstance(message, Done):
                message = _receive(process)
                messages.put(message)
    # ValueError: the message is no JSON, or the input was closed because the import stops
    except (OSError, EOFError, ValueError) as error:
        messages.put(Halted(f"a process of the import has ended: {error}", True))


def _send(process: subprocess.Popen[bytes], item: Task | Share) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(item) + b"\n")
    process.stdin.flush()


def _receive(process: subprocess.Popen[bytes]) -> Message:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise EOFError("its output has ended")
    return _MESSAGE.decode(line)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    """Ask the worker to end: at once if it waits for a share, else after its transaction."""
    assert worker.stdin is not None
    with suppress(BrokenPipeError):
        worker.stdin.close()
    worker.terminate()


def _wait(worker: subprocess.Popen[bytes]) -> None:
    try:
        worker.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
