"""The file to import, as a regular file that can be read several times."""

import os
import shutil
import sys
from pathlib import Path

STANDARD_INPUT = Path("-")


def regular_file(path: Path, folder: Path) -> Path:
    """``path`` if it is a regular file. A stream is read once, to its end, into a file in ``folder``.

    Streams are standard input (``-``), pipes, FIFOs, process substitutions and devices. Raises OSError.
    """
    if path != STANDARD_INPUT and path.is_file():
        return path
    copy = folder / ("standard input" if path == STANDARD_INPUT else "the stream")
    with copy.open("wb") as target:
        if path == STANDARD_INPUT:
            # None: it was closed before the program started
            if sys.stdin is not None:
                shutil.copyfileobj(sys.stdin.buffer, target)
        else:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, target)
    return copy


def is_same_file(source: Path, other: Path) -> bool:
    """Whether ``other`` is the file that ``source`` reads, also under another name or as standard input.

    Raises OSError if one of them can't be looked at.
    """
    # A device or a pipe loses nothing
    if not other.is_file():
        return False
    if source != STANDARD_INPUT:
        return source.exists() and other.samefile(source)
    return sys.stdin is not None and os.path.samestat(os.fstat(sys.stdin.fileno()), other.stat())
