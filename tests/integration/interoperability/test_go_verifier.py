"""The verifier in Go, which shares no code with the Python programs."""

import msgspec
import pytest
from msgspec.structs import replace

from evidence.checkpoint import filed
from library.commands.backup import backup
from library.store.backup_file import read, write
from tests.support.evidence.go_verifier import build_verifier, run_verifier
from tests.support.evidence.proofs import prove_title
from tests.support.evidence.sample import FOLDER
from tests.support.evidence.signed_records import KEY, NEXT_KEY, sample_records, signed_notes
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import added_and_removed, numbered_isbn, write_events


@pytest.fixture(scope="module")
def verifier(tmp_path_factory):
    return build_verifier(tmp_path_factory.mktemp("verifier"))


def test_the_committed_sample_is_sound(verifier):
    done = run_verifier(
        verifier, key=KEY.verifier, checkpoints=FOLDER / "checkpoints", backup=FOLDER / "store.backup"
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "6 checkpoints match, 0 do not\n"


def test_a_checkpoint_of_another_key_is_found(verifier):
    done = run_verifier(
        verifier, key=NEXT_KEY.verifier, checkpoints=FOLDER / "checkpoints", backup=FOLDER / "store.backup"
    )
    # The last five have the signature of the next key, too
    assert done.returncode == 4
    assert done.stderr == "5 checkpoints match, 1 do not\n"
    assert "is not signed by the key" in done.stdout


def test_a_changed_checkpoint_is_found(verifier, tmp_path):
    text = (FOLDER / "checkpoints").read_text("utf-8")
    (tmp_path / "checkpoints").write_text(text.replace("topic_0-/1", "topic_0-/2"), "utf-8")
    done = run_verifier(
        verifier, key=KEY.verifier, checkpoints=tmp_path / "checkpoints", backup=FOLDER / "store.backup"
    )
    assert done.returncode == 4
    assert "invalid signature" in done.stdout


def test_changed_and_missing_events_are_found(verifier, tmp_path):
    header, records = read(FOLDER / "store.backup")
    first, *others, last = records
    write(tmp_path / "forged", header, [replace(first, timestamp=first.timestamp + 1), *others])
    done = run_verifier(
        verifier, key=KEY.verifier, checkpoints=FOLDER / "checkpoints", backup=tmp_path / "forged"
    )
    assert done.returncode == 4
    assert f"partition {first.partition}: the first" in done.stdout
    assert f"partition {last.partition} is truncated" in done.stdout


def test_a_truncated_backup_is_unreadable(verifier, tmp_path):
    (tmp_path / "cut").write_bytes((FOLDER / "store.backup").read_bytes()[:-20])
    done = run_verifier(
        verifier, key=KEY.verifier, checkpoints=FOLDER / "checkpoints", backup=tmp_path / "cut"
    )
    assert done.returncode == 65


def test_a_fresh_backup_of_a_store_with_aborted_events_is_sound(verifier, new_settings, tmp_path):
    settings = new_settings(partitions=2)
    write_events(settings, added_and_removed(10), then="abort")
    write_events(settings, added_and_removed(40))
    file = tmp_path / "store.backup"
    assert run_command(backup, settings, str(file)).exit_code == 0
    header, records = read(file)
    notes = signed_notes(list(records), 2, 7, cluster=header.cluster, topic=header.topic_id)
    (tmp_path / "checkpoints").write_text("".join(map(filed, notes)), "utf-8")
    done = run_verifier(verifier, key=KEY.verifier, checkpoints=tmp_path / "checkpoints", backup=file)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == f"{len(notes)} checkpoints match, 0 do not\n"


def test_the_proof_of_a_title_is_sound_and_a_forged_one_is_not(verifier, tmp_path):
    proof = prove_title(sample_records(2), numbered_isbn(0), 2)
    (tmp_path / "proof").write_bytes(msgspec.json.encode(proof))
    done = run_verifier(verifier, key=KEY.verifier, proof=tmp_path / "proof")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"4 events of {proof.isbn} are in checkpoints\n"
    for forged in (
        replace(proof, isbn=numbered_isbn(1)),
        prove_title(sample_records(2), proof.isbn, 2, signer=NEXT_KEY),
    ):
        (tmp_path / "proof").write_bytes(msgspec.json.encode(forged))
        assert run_verifier(verifier, key=KEY.verifier, proof=tmp_path / "proof").returncode == 4
