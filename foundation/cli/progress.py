"""How far a long work has come, for people: one line on stderr, rewritten on a terminal."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_ON_TERMINAL, _IN_LOG = 0.1, 10.0


class Progress:
    """Says ``done`` of ``total`` things, how many a second, and how long the rest will take.

    On a terminal the line is rewritten ten times a second; elsewhere there is a line every ten seconds, so
    that short works say nothing.
    """

    def __init__(self, doing: str, total: int, things: str, stream: TextIO | None = None) -> None:
        self._doing, self._total, self._things = doing, total, things
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._every = _ON_TERMINAL if self._terminal else _IN_LOG
        self._began = self._said = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal and self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def show(self, done: int) -> None:
        """Take note that ``done`` things are done; the line is shown when it is time to."""
        now = time.monotonic()
        if now - self._said < self._every:
            return
        self._said, self._shown = now, True
        line = line_of(self._doing, done, self._total, self._things, now - self._began)
        self._stream.write(f"\r\033[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()


def line_of(doing: str, done: int, total: int, things: str, seconds: float) -> str:
    """For example ``importing: 52,000 of 100,000 rows (52 %), 26,000/s, 2 s left``."""
    share = f" ({100 * done // total} %)" if total else ""
    line = f"{doing}: {done:,} of {total:,} {things}{share}"
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
