"""Progress of a long task, for people: one line on stderr, rewritten on a terminal."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

TERMINAL_INTERVAL_S = 0.1
LOG_INTERVAL_S = 10.0


class Progress:
    """Shows how many of ``total`` units are done, the rate, and the remaining time.

    On a terminal it rewrites one line ten times a second and removes it at the end. Elsewhere it prints a
    line every ten seconds: a short task prints none.
    """

    def __init__(self, task: str, total: int, units: str, stream: TextIO | None = None) -> None:
        self._task, self._total, self._units = task, total, units
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._interval_s = TERMINAL_INTERVAL_S if self._terminal else LOG_INTERVAL_S
        self._began = self._printed = time.monotonic()
        self._visible = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal and self._visible:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def show(self, done: int) -> None:
        """Print the line for ``done`` units, unless it was printed a moment ago."""
        now = time.monotonic()
        if now - self._printed < self._interval_s:
            return
        self._printed, self._visible = now, True
        line = progress_line(self._task, done, self._total, self._units, now - self._began)
        self._stream.write(f"\r\033[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()


def progress_line(task: str, done: int, total: int, units: str, seconds: float) -> str:
    """For example ``importing: 52,000 of 100,000 rows (52 %), 26,000/s, 2 s left``."""
    share = f" ({100 * done // total} %)" if total else ""
    line = f"{task}: {done:,} of {total:,} {units}{share}"
    if done and seconds > 0:
        rate = done / seconds
        line += f", {rate:,.0f}/s, {_duration((total - done) / rate)} left"
    return line


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
