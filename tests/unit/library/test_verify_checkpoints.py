import json

import pytest
from msgspec.structs import replace

from evidence.checkpoint import filed
from foundation.settings import Settings
from library.commands.verify import verify
from library.store.backup_file import NAMES, write
from tests.support.evidence.sample import FOLDER
from tests.support.evidence.signed_records import KEY, header_of, leaves_of, sample_records, signed_notes
from tests.support.evidence.tamperings import TAMPERINGS, victim
from tests.support.library.command_runner import run_command

PARTITIONS = 2
# Nothing listens there: a backup is compared without Kafka
OFFLINE = Settings(kafka="127.0.0.1:9")


@pytest.fixture
def signed(tmp_path):
    """A function that writes a backup of tampered records beside the notary's files; returns the options."""
    records = sample_records(PARTITIONS)
    (tmp_path / "notary").mkdir()
    checkpoints = tmp_path / "notary" / "checkpoints"
    checkpoints.write_text("".join(map(filed, signed_notes(records, PARTITIONS))), "utf-8")
    for partition in range(PARTITIONS):
        (tmp_path / "notary" / f"leaves-{partition}").write_bytes(b"".join(leaves_of(records, partition)))

    def tampered(change):
        write(tmp_path / "store.backup", header_of(records, PARTITIONS), change(records))
        options = {"checkpoints": checkpoints, "key": KEY.verifier, "backup": tmp_path / "store.backup"}
        return [text for name, value in options.items() for text in (f"--{name}", str(value))]

    return tampered


def test_a_backup_that_matches_its_checkpoints_ends_with_0(signed):
    done = run_command(verify, OFFLINE, *signed(lambda records: records))
    assert (done.exit_code, done.stdout) == (0, "")
    assert "checkpoints match, in 24 events" in done.stderr


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_finding_ends_with_4_and_names_partition_and_event(signed, name):
    tampering, records = TAMPERINGS[name], sample_records(PARTITIONS)
    done = run_command(verify, OFFLINE, *signed(tampering.change), "--json")
    assert done.exit_code == 4
    *findings, summary = map(json.loads, done.stdout.splitlines())
    assert summary["findings"] == len(findings)
    expected = {
        "kind": tampering.kind,
        "partition": victim(records).partition,
        "event": tampering.event(records),
    }
    assert expected in [{name: found[name] for name in expected} for found in findings]


def test_events_after_the_last_checkpoint_are_listed_as_not_covered(signed):
    done = run_command(verify, OFFLINE, *signed(lambda records: sample_records(PARTITIONS, rounds=5)))
    assert done.exit_code == 0
    assert "not covered, after the last checkpoint: partition 0: 4, partition 1: 2" in done.stderr


def test_one_note_by_itself_is_a_file_of_checkpoints(tmp_path):
    note = signed_notes(sample_records(3), 3)[0]
    (tmp_path / "note").write_text(note, "utf-8")
    options = ("--key", str(KEY.verifier), "--backup", str(FOLDER / "store.backup"))
    done = run_command(verify, OFFLINE, "--checkpoints", str(tmp_path / "note"), *options)
    assert done.exit_code == 0
    assert "1 checkpoint matches, in " in done.stderr


@pytest.mark.parametrize("name", ["checkpoints", "store.backup"])
def test_a_file_that_cannot_be_read_ends_with_65(signed, tmp_path, name):
    options = signed(lambda records: records)
    file = next(tmp_path.rglob(name))
    file.write_bytes(file.read_bytes()[:-40])
    assert run_command(verify, OFFLINE, *options).exit_code == 65
    file.unlink()
    assert run_command(verify, OFFLINE, *options).exit_code == 65


def test_a_backup_of_names_is_refused(tmp_path):
    write(tmp_path / "names.backup", replace(header_of([], PARTITIONS), kind=NAMES), [])
    options = ("--checkpoints", str(FOLDER / "checkpoints"), "--key", str(KEY.verifier))
    done = run_command(verify, OFFLINE, *options, "--backup", str(tmp_path / "names.backup"))
    assert done.exit_code == 65
    assert "no events" in done.stderr


def test_options_that_do_not_fit_together_are_refused():
    key, file = ("--key", str(KEY.verifier)), ("--checkpoints", str(FOLDER / "checkpoints"))
    for options in (key, file, (*file, "--key", "nonsense"), (*file, *key, "--table-only")):
        assert run_command(verify, OFFLINE, *options).exit_code == 2
