"""``python -m producer.imports.worker``: one process of an import. Reads the events to append from stdin."""

import gc
import signal
import sys

import msgspec

from producer.imports.appending import Share, Stopped, Task, append_share
from producer.imports.workers import Done, Halted, Message


def main() -> None:
    """Append each share in the input, until the input ends or a signal stops the process."""
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: signals.append(number))
    # There are no cycles here, and a collection would visit hundreds of thousands of rows again and again
    gc.disable()
    lines = sys.stdin.buffer
    first = lines.readline()
    if not first:
        return
    task = msgspec.json.decode(first, type=Task)
    for line in lines:
        share = msgspec.json.decode(line, type=Share)
        try:
            for committed in append_share(task, share, lambda: bool(signals)):
                _send(committed)
        except Stopped as error:
            _send(Halted(str(error), error.begun))
            return
        _send(Done())


def _send(message: Message) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
