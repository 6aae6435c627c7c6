"""A borrower of a whole system is forgotten: no file of it has the name, and everything else is as before."""

import json
from pathlib import Path

import pytest

from tests.support.library.installed_system import System
from tests.support.waiting import eventually

ISBN = "9781593275846"
USER, OTHER = "card-0048213-xyzzy", "card-0048214-xyzzy"


def files_with(folder: Path, text: str) -> list[str]:
    """Files of the system that contain the text, by their paths there."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(str(path.relative_to(folder)))
        except (FileNotFoundError, PermissionError):
            # Deleted meanwhile
            continue
    return found


@pytest.mark.slow
def test_a_forgotten_borrower_leaves_every_file_and_the_table_stays_exact(tmp_path: Path):
    system = System(tmp_path)
    with system.running():
        topic = f"{system.settings.name}.names"
        short = "segment.ms=2000,max.compaction.lag.ms=2000"
        alter = [
            "configs",
            "--alter",
            "--entity-type",
            "topics",
            "--entity-name",
            topic,
            "--add-config",
            short,
        ]
        system.done("kafka", *alter)
        system.receipt("add", ISBN, "Elixir in Action", "Sasa Juric", "3")
        system.receipt("borrow", ISBN, USER)
        system.receipt("borrow", ISBN, OTHER)
        # With the restart the gateway sees the short segments
        system.done("restart", "gateway")
        eventually(system.runs)
        assert system.library("patron", "forget", USER).returncode == 3
        system.receipt("return", ISBN, USER)
        before = system.get(f"/inventory/{ISBN}")
        assert json.loads(system.done("patron", "forget", USER, "--json"))["state"] == "forgotten"
        eventually(lambda: not files_with(system.data_dir, USER))
        assert all(topic in path or "replica" in path for path in files_with(system.data_dir, OTHER))
        assert files_with(system.data_dir, OTHER)

        system.done("verify")
        system.done("replay")
        system.done("verify")
        after = system.get(f"/inventory/{ISBN}")
        assert after == before
        backup = tmp_path / "after.backup"
        system.done("backup", str(backup))
        system.done("restore", str(backup), "--check")
        system.receipt("return", ISBN, OTHER)
    # Also after a stop nothing was written back
    assert not files_with(system.data_dir, USER)
