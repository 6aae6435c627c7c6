"""``python -m producer.imports.worker``: one process of an import; its input says what to do."""

import gc
import signal
import sys

import msgspec

from producer.imports.appending import Share, Stopped, Task, append_share
from producer.imports.workers import Batch, Done, Halted, Said


def main() -> None:
    """Append each share that is named, until the input ends or a signal asks to stop."""
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopping.append(number))
    # Nothing here is cyclic, and hundreds of thousands of rows would be looked at again and again
    gc.disable()
    lines = sys.stdin.buffer
    first = lines.readline()
    if not first:
        return
    task = msgspec.json.decode(first, type=Task)
    for line in lines:
        share = msgspec.json.decode(line, type=Share)
        try:
            for counts in append_share(task, share, lambda: bool(stopping)):
                _say(Batch(counts))
        except Stopped as error:
            _say(Halted(str(error), error.begun))
            return
        _say(Done())


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
