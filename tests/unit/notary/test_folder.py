from pathlib import Path

import pytest

from evidence.checkpoint import Checkpoint
from evidence.merkle import EMPTY_ROOT
from evidence.note import Signer, new_key
from notary.folder import CHECKPOINTS, CheckpointFile, InUse, Store, bind, locked
from notary.refusal import Reason, Refused

SIGNER = Signer(new_key("test"))
NOTES = [
    Checkpoint(origin, size, EMPTY_ROOT).signed([SIGNER])
    for origin, size in (("one", 1), ("other", 2), ("one", 3))
]


def written(folder: Path, *notes: str) -> CheckpointFile:
    file = CheckpointFile(folder)
    for note in notes:
        file.append(note)
    file.close()
    return CheckpointFile(folder)


def test_the_last_checkpoint_of_each_origin_is_found(tmp_path: Path) -> None:
    newest = written(tmp_path, *NOTES).newest([SIGNER.verifier])
    assert {origin: (one.size, note) for origin, (one, note) in newest.items()} == {
        "one": (3, NOTES[2]),
        "other": (2, NOTES[1]),
    }


def test_a_note_that_was_being_written_is_dropped(tmp_path: Path) -> None:
    whole = "".join(f"{note}\n" for note in NOTES)
    for length in range(len("".join(f"{note}\n" for note in NOTES[:2])), len(whole)):
        (tmp_path / CHECKPOINTS).write_text(whole[:length])
        file = CheckpointFile(tmp_path)
        assert file.newest([SIGNER.verifier])["one"][0].size == 1
        file.append(NOTES[2])
        file.close()
        assert (tmp_path / CHECKPOINTS).read_text() == whole


def test_a_note_of_a_former_key_counts(tmp_path: Path) -> None:
    file = written(tmp_path, *NOTES)
    assert file.newest([Signer(new_key("test")).verifier])["one"][0].size == 3


def test_a_note_that_was_changed_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, NOTES[0].replace("\n1\n", "\n9\n"))
    with pytest.raises(Refused, match="was changed") as refused:
        file.newest([SIGNER.verifier])
    assert refused.value.reason == Reason.OTHER_ROOT


def test_a_folder_belongs_to_one_store(tmp_path: Path) -> None:
    for _ in range(2):
        bind(tmp_path, Store("cluster", "topic"))
    for other in (Store("cluster", "other"), Store("other", "topic")):
        with pytest.raises(Refused, match="belongs to topic topic of cluster cluster") as refused:
            bind(tmp_path, other)
        assert refused.value.reason == Reason.OTHER_STORE


def test_two_notaries_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "notary"
    with locked(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(InUse), locked(folder):
            pass
    with locked(folder):
        pass
