"""A worked example of the documentation, applied to a copy of the code.

Its blocks are diffs without line numbers, and shell commands. A diff's first line names the file; ``@@``
separates two places in it. The lines of a place without ``+`` must occur exactly once, one after the other.
"""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"][
    "targets"
]["wheel"]["packages"]
COPIED = (
    *PACKAGES, "benchmarks", "docs", "examples", "tests/support", "tests/unit", "tests/conftest.py",
    "pyproject.toml",
)  # fmt: skip
NEW_FILE = "new file "


class NotApplicable(Exception):
    """A block's lines are not in its file, or more than once."""


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str

    @property
    def path(self) -> str:
        """The file that a diff changes."""
        return self.text.partition("\n")[0].removeprefix(NEW_FILE)

    @property
    def written_lines(self) -> int:
        """Lines that are written by hand, without empty ones."""
        if self.language == "sh":
            return 0
        return sum(line.startswith("+") and line != "+" for line in self.text.splitlines())


def blocks_of(page: str) -> list[Block]:
    """The diffs and shell commands of a page, in their order."""
    return [
        Block(*match) for match in re.findall(r"^```(diff|sh)\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    ]


def copy_tree(to: Path) -> Path:
    """Copy the programs, their unit tests and the documentation."""
    for name in COPIED:
        source, target = ROOT / name, to / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "target"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return to


def apply(blocks: list[Block], tree: Path) -> None:
    """Apply blocks in their order. Raises NotApplicable and CalledProcessError."""
    for block in blocks:
        if block.language == "sh":
            subprocess.run(["sh", "-ec", block.text], cwd=tree, check=True, timeout=10)
        else:
            _apply_diff(block, tree)


def _apply_diff(block: Block, tree: Path) -> None:
    header, _, body = block.text.partition("\n")
    path = tree / block.path
    if header.startswith(NEW_FILE):
        if path.exists():
            raise NotApplicable(f"{block.path} exists already")
        lines: list[str] = []
    else:
        lines = path.read_text("utf-8").splitlines()
    for place in re.split(r"^@@\n", body, flags=re.MULTILINE):
        lines = _changed(lines, place.splitlines(), block.path)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _changed(lines: list[str], place: list[str], path: str) -> list[str]:
    # An empty line of context has lost its space
    marked = [(line[:1] or " ", line[1:]) for line in place]
    before = [text for mark, text in marked if mark != "+"]
    after = [text for mark, text in marked if mark != "-"]
    found = [at for at in range(len(lines) + 1) if lines[at : at + len(before)] == before]
    if before and len(found) != 1:
        raise NotApplicable(f"{path} has these lines {len(found)} times, not once:\n" + "\n".join(before))
    at = found[0]
    return lines[:at] + after + lines[at + len(before) :]
