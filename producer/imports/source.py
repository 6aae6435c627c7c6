"""The file to import, as a regular file that can be read several times."""

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
            shutil.copyfileobj(sys.stdin.buffer, target)
        else:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, target)
    return copy
