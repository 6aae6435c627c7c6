"""The data directory of each release. ``python -m tests.system.operations.kept_release`` makes this one's.

Run it for each release and commit both files. Never make them again: the data on users' disks does not change
either. A release with a newer Kafka than ours also has a ``.backup``, which its own `library backup` wrote.
"""

import json
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.library.installed_system import System
from tests.support.waiting import eventually

RELEASES = Path(__file__).parent / "releases"
ISBNS = ("9781593275846", "9781680502992", "9780141439518")
COMMANDS = (
    ("add", ISBNS[0], "Elixir in Action", "Saša Jurić", "10"),
    ("add", ISBNS[1], "Programming Elixir 1.6", "Dave Thomas", "5"),
    ("add", ISBNS[2], "Pride and Prejudice", "Jane Austen"),
    ("borrow", ISBNS[0], "user123"),
    ("borrow", ISBNS[0], "user456"),
    ("renew", ISBNS[0], "user123"),
    ("return", ISBNS[0], "user456"),
    ("copies", "add", ISBNS[2], "3"),
    ("copies", "withdraw", ISBNS[2], "1", "--reason", "damaged"),
    ("correct", ISBNS[1], "--title", "Programming Elixir"),
    ("remove", ISBNS[1]),
)
LEFT_OUT = ("logs", "server.properties", "LOG", "lock", "LOCK")
"""Files of every start, which name the machine."""


def api_answers(system: System) -> dict[str, Any]:
    """The query API's responses for every title."""
    paths = [f"/inventory/{isbn}{part}" for isbn in ISBNS for part in ("", "/history")]
    return {path: system.get(path)[1] for path in (*paths, "/inventory", "/loans")}


def extract_data(system: System, release: str) -> None:
    """Put the data directory of a release where the system keeps its own."""
    with tarfile.open(RELEASES / f"{release}.tar.xz") as tar:
        tar.extractall(system.folder, filter="data")


def archive_data(system: System, archive: Path) -> None:
    """Archive the data directory of a stopped system."""
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(system.data_dir, ".library", filter=_impersonal)


def _impersonal(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if Path(member.name).name.startswith(LEFT_OUT):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main() -> None:
    """Write both files of this release."""
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder))
        with system.running():
            for command in COMMANDS:
                system.done(*command, "--wait")
            eventually(system.runs)
            said = api_answers(system)
        archive_data(system, RELEASES / f"{version('library-inventory')}.tar.xz")
    text = json.dumps(said, indent=1, ensure_ascii=False, sort_keys=True)
    (RELEASES / f"{version('library-inventory')}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
