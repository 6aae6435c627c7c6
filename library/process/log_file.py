"""A child's log: its output lines in a file rotated by size, and its last error."""

import json
import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_LOG_BYTES = 10_000_000
"""Size at which a log is rotated."""
ROTATED_FILES = 3
"""Rotated files kept beside the current one."""
MAX_LINE_BYTES = 64 * 1024
"""A longer line is split."""
_ERROR_LEVELS = {"ERROR", "CRITICAL", "FATAL"}


class LineLog:
    """Writes the output of a process, received in chunks of any size, line by line."""

    def __init__(self, path: Path, report: Callable[[str], None] = lambda _: None) -> None:
        """``report`` gets the message of each JSON line that reports an error."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = RotatingFileHandler(
            path, maxBytes=MAX_LOG_BYTES, backupCount=ROTATED_FILES, encoding="utf-8", delay=True
        )
        self._partial = b""
        self._report = report
        self.last_error = ""
        """The last line that reports an error; a line that is not JSON counts as one."""

    def feed(self, chunk: bytes) -> None:
        """Add the next chunk."""
        *whole, self._partial = (self._partial + chunk).split(b"\n")
        for line in whole:
            self._write(line)
        while len(self._partial) > MAX_LINE_BYTES:
            self._write(self._partial[:MAX_LINE_BYTES])
            self._partial = self._partial[MAX_LINE_BYTES:]

    def close(self) -> None:
        """Write the unfinished last line, and close the file."""
        if self._partial:
            self._write(self._partial)
            self._partial = b""
        self._file.close()

    def _write(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip("\r")
        if not text.strip():
            return
        if error := _error(text):
            self.last_error = error[:1000]
            if parse_line(text) is not None:
                self._report(self.last_error)
        self._file.emit(logging.LogRecord("", logging.INFO, "", 0, text, None, None))


def _error(line: str) -> str:
    entry = parse_line(line)
    if entry is None:
        return line.strip()
    return str(entry.get("message", "")) if entry.get("level") in _ERROR_LEVELS else ""


def parse_line(line: str) -> dict[str, object] | None:
    """The line's fields; None if the line is not a JSON object."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
