"""``library logs``: the logs of this machine's system."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.cli import exits
from foundation.cli.app import CommandError, with_settings
from foundation.cli.numbers import IntegerRange
from library.process.log_file import parse_line

if TYPE_CHECKING:
    from foundation.settings import Settings

POLL_INTERVAL_S = 0.2
"""Between two looks for new lines."""

MAX_LINES = 1_000_000


@click.command()
@click.argument("name", required=False)
@with_settings("data_dir")
@click.option("--follow", "-f", is_flag=True, help="Keep printing new lines.")
@click.option("--lines", "-n", type=IntegerRange(0, MAX_LINES), default=50, help="Number of lines to show.")
def logs(settings: "Settings", name: str | None, follow: bool, lines: int) -> None:
    """Show the last log lines of all processes, or of NAME.

    NAME is kafka, projector, api, gateway or supervisor. Lines are JSON; on a terminal they are shown as
    text.
    """
    folder = Path(settings.data_dir) / "logs"
    files = [folder / f"{name}.log"] if name else sorted(folder.glob("*.log"))
    if missing := [file for file in files if not file.exists()]:
        there = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none"
        raise CommandError(exits.NOT_FOUND, f"{missing[0]} does not exist; existing logs: {there}")
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
    """Time and text of the last lines; a line that is not JSON gets the time of the line before it."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        kept = deque((line.rstrip("\n") for line in opened), maxlen=lines)
    timed, at = [], ""
    for line in kept:
        if entry := parse_line(line):
            at = str(entry.get("time", at))
        timed.append((at, line))
    return timed


def _new_lines(ends: dict[Path, int]) -> Iterator[str]:
    """New lines as they are written, across rotations. Never ends."""
    partial = dict.fromkeys(ends, b"")
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
                *whole, partial[file] = (partial[file] + chunk).split(b"\n")
                yield from (line.decode("utf-8", errors="replace") for line in whole)
        time.sleep(POLL_INTERVAL_S)


def _show(line: str) -> None:
    entry = parse_line(line) if sys.stdout.isatty() else None
    if entry is None:
        click.echo(line)
        return
    text = " ".join(str(entry.get(part, "")) for part in ("time", "service", "level", "message"))
    click.echo(f"{text}\n{entry['error']}" if entry.get("error") else text)
