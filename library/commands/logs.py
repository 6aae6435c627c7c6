"""``library logs``: what the processes of the system on this machine have said."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from library.process.log_file import parsed

if TYPE_CHECKING:
    from foundation.settings import Settings

LOOK_EVERY = 0.2
"""Seconds between two looks for new lines."""


@click.command()
@click.argument("name", required=False)
@with_settings("data_dir")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is said from now on.")
@click.option("--lines", "-n", type=click.IntRange(min=0), default=50, help="So many of the last lines.")
def logs(settings: "Settings", name: str | None, follow: bool, lines: int) -> None:
    """Show what the processes have said last.

    NAME is one of them: kafka, projector, api, gateway, supervisor. The lines are JSON; on a terminal they
    are put into words.
    """
    folder = Path(settings.data_dir) / "logs"
    files = [folder / f"{name}.log"] if name else sorted(folder.glob("*.log"))
    if missing := [file for file in files if not file.exists()]:
        there = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none"
        raise CommandError(exits.NOT_FOUND, f"{missing[0]} does not exist; logs there: {there}")
    if not files:
        raise CommandError(exits.NOT_FOUND, f"no system has run in {folder.parent.absolute()} yet")
    ends = {file: file.stat().st_size for file in files}
    last = sorted((entry for file in files for entry in _last(file, lines)), key=lambda entry: entry[0])
    for _, line in last[-lines:] if lines else []:
        _show(line)
    if follow:
        sys.stdout.flush()
        for line in _new_lines(ends):
            _show(line)
            sys.stdout.flush()


def _last(file: Path, lines: int) -> list[tuple[str, str]]:
    """Time and text of the last lines; one that is not JSON has the time of the one before."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        kept = deque((line.rstrip("\n") for line in opened), maxlen=lines)
    found, at = [], ""
    for line in kept:
        if entry := parsed(line):
            at = str(entry.get("time", at))
        found.append((at, line))
    return found


def _new_lines(ends: dict[Path, int]) -> Iterator[str]:
    """Lines as they are written, also after a log was rotated. Never ends."""
    begun = dict.fromkeys(ends, b"")
    while True:
        for file, end in ends.items():
            if not file.exists():
                continue
            if (size := file.stat().st_size) < end:
                ends[file], end = 0, 0
            if size > end:
                with file.open("rb") as opened:
                    opened.seek(end)
                    chunk = opened.read()
                ends[file] = end + len(chunk)
                *whole, begun[file] = (begun[file] + chunk).split(b"\n")
                yield from (line.decode("utf-8", errors="replace") for line in whole)
        time.sleep(LOOK_EVERY)


def _show(line: str) -> None:
    entry = parsed(line) if sys.stdout.isatty() else None
    if entry is None:
        click.echo(line)
        return
    said = " ".join(str(entry.get(part, "")) for part in ("time", "service", "level", "message"))
    click.echo(f"{said}\n{entry['error']}" if entry.get("error") else said)
