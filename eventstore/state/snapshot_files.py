"""Numbered files, of which the one with the highest number counts.

An unusable file may still be open in another process, and an SQLite file is several files. It is therefore
neither removed nor overwritten; a file with the next number follows.
"""

import re
from contextlib import suppress
from pathlib import Path


class NumberedFiles:
    """The files ``<stem>-<number><ending>`` of a folder."""

    def __init__(self, folder: Path, stem: str, ending: str) -> None:
        self._folder, self._stem, self._ending = folder, stem, ending
        self._passed_over = 0

    def newest(self) -> Path | None:
        """The file with the highest number, unless it was passed over."""
        number = max(self._numbers(), default=0)
        return self._path(number) if number > self._passed_over else None

    def pass_over(self) -> None:
        """Use none of the existing files."""
        self._passed_over = max(self._numbers(), default=0)

    def to_write(self) -> Path:
        """The newest file, or the next one. Creates the folder, but not its parents. Raises OSError."""
        self._folder.mkdir(exist_ok=True)
        return self.newest() or self._path(self._passed_over + 1)

    def remove_older(self, path: Path) -> None:
        """Remove the files with a lower number and SQLite's files beside them, as far as that is possible."""
        for number in self._numbers():
            older = self._path(number)
            if number < self._number(path.name):
                for ending in ("", "-wal", "-shm"):
                    # Another process may have removed it, or hold it open on a system that minds
                    with suppress(OSError):
                        Path(f"{older}{ending}").unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._stem}-{number}{self._ending}"

    def _numbers(self) -> list[int]:
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        return [number for name in names if (number := self._number(name))]

    def _number(self, name: str) -> int:
        found = re.fullmatch(rf"{re.escape(self._stem)}-(\d+){re.escape(self._ending)}", name)
        return int(found[1]) if found else 0
