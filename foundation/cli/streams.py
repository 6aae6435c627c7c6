"""Standard streams of a command: output that can't be written is an error, not a silent loss."""

import io
import os
import sys
from typing import Any


class OutputError(OSError):
    """Standard output can't be written: its disk is full, or it was closed before the program started."""


class _Output(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


class _Errors(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            # There is no place left to report it; the exit code must still be the command's own
            return len(data)


def prepare_streams() -> None:
    """Make standard output report lost output, and let neither output stream fail for a missing letter.

    A closed stream gets its descriptor back, or else the next file or socket would get that number and
    receive the output. Its reads end at once, and its writes to standard output fail.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _require_open(descriptor, mode)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text_stream(_Output(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text_stream(_Errors(2, "w", closefd=False), sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter shows its number
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def use_utf_8() -> None:
    """Write standard output in UTF-8 whatever the locale is: programs that read JSON or CSV expect it."""
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]


def discard_output() -> None:
    """Flush standard output, or drop the rest: Python flushes again when it ends, and would complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _require_open(descriptor: int, mode: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        # The lower descriptors are open: this one is the next to be given out
        os.open(os.devnull, mode)


def _text_stream(raw: io.FileIO, original: Any) -> io.TextIOWrapper:
    """A stream like ``original``, which is None where the descriptor was closed."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(original, "encoding", "utf-8"),
        line_buffering=getattr(original, "line_buffering", False),
        write_through=getattr(original, "write_through", False),
    )
