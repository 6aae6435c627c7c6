"""`library up --notary`: the notary is a member of the system, and signs its last events."""

from pathlib import Path

from evidence.checkpoint import notes_of, open_checkpoint
from evidence.note import Signer
from tests.support.library.installed_system import System
from tests.support.waiting import eventually


def test_a_system_with_a_notary_signs_every_event_before_it_stops(tmp_path: Path) -> None:
    system = System(tmp_path)
    with system.running("--notary", "--origin", "library.example", LIBRARY_NOTARY_INTERVAL="3600"):
        eventually(system.runs)
        assert "notary" in system.status()
        receipt = system.receipt("add", "9781593275846", "Elixir in Action", "Sasa Juric", "3")
        system.kill("notary")
    key = Signer((system.data_dir / "notary.key").read_text())
    found, _ = notes_of((system.data_dir / "notary" / "checkpoints").read_text())
    (checkpoint,) = [open_checkpoint(note, [key.verifier]) for note in found]
    assert checkpoint.origin.startswith("library.example/")
    # One event: it is the root of its tree
    assert (checkpoint.size, checkpoint.root.hex()) == (1, receipt["leaf"])
