"""The log of a child: its lines in a file that is rotated by size, and what it said last."""

import json
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

BYTES = 10_000_000
"""Size at which a log is rotated."""
KEPT = 3
"""Rotated files beside the current one."""
LONGEST = 64 * 1024
"""Bytes of a line; a longer one is cut into several."""
_ERRORS = {"ERROR", "CRITICAL", "FATAL"}


class LineLog:
    """Takes what a process prints, in any pieces, and keeps it line by line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = RotatingFileHandler(path, maxBytes=BYTES, backupCount=KEPT, encoding="utf-8", delay=True)
        self._begun = b""
        self.last_error = ""
        """The last line that tells of an error; a line that is not JSON counts as one."""

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""
        *whole, self._begun = (self._begun + chunk).split(b"\n")
        for line in whole:
            self._write(line)
        while len(self._begun) > LONGEST:
            self._write(self._begun[:LONGEST])
            self._begun = self._begun[LONGEST:]

    def close(self) -> None:
        """Write what stands without a line end, and close the file."""
        if self._begun:
            self._write(self._begun)
            self._begun = b""
        self._file.close()

    def _write(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip("\r")
        if not text.strip():
            return
        if error := _error(text):
            self.last_error = error[:1000]
        self._file.emit(logging.LogRecord("", logging.INFO, "", 0, text, None, None))


def _error(line: str) -> str:
    entry = parsed(line)
    if entry is None:
        return line.strip()
    return str(entry.get("message", "")) if entry.get("level") in _ERRORS else ""


def said(log: Path, lines: int = 3) -> str:
    """The last ``lines`` messages of a log of JSON lines; a line of another kind as it stands."""
    try:
        text = log.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return "it said nothing"
    last = [line for line in text.splitlines() if line.strip()][-lines:]
    return " / ".join(message(line)[:500] for line in last) or "it said nothing"


def message(line: str) -> str:
    """What a log line says, without its surroundings."""
    entry = parsed(line)
    return line.strip() if entry is None else str(entry.get("message", ""))


def parsed(line: str) -> dict[str, object] | None:
    """The line's fields; None if it is not a JSON object."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
