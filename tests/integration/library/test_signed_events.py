import json

from confluent_kafka.admin import AdminClient

from evidence.checkpoint import filed
from foundation.kafka_clients import client_config
from library.commands.restore import restore
from library.commands.verify import verify
from library.store.backup_file import write
from schemas.topics import identify
from tests.support.evidence.signed_records import KEY, KEY_TEXT, header_of, sample_records, signed_notes
from tests.support.evidence.tamperings import TAMPERINGS, victim
from tests.support.library.command_runner import run_command
from tests.support.library.event_writer import added_and_removed, write_events
from tests.support.notary_runs import folder_of, notarise, signer_of

PARTITIONS = 2


def verify_topic(settings, signed, stored, folder):
    """Write ``stored`` into the store, and compare it with checkpoints of ``signed``: exit code and lines."""
    write(folder / "stored", header_of(stored, PARTITIONS), stored)
    assert run_command(restore, settings, str(folder / "stored")).exit_code == 0
    store = identify(AdminClient(client_config(settings)), settings)
    notes = signed_notes(signed, PARTITIONS, cluster=store.cluster, topic=store.events)
    (folder / "checkpoints").write_text("".join(map(filed, notes)), "utf-8")
    options = ("--checkpoints", str(folder / "checkpoints"), "--key", str(KEY.verifier), "--json")
    done = run_command(verify, settings, *options)
    return done.exit_code, list(map(json.loads, done.stdout.splitlines()))


def test_the_topic_matches_checkpoints_of_its_events(new_settings, tmp_path):
    settings, records = new_settings(partitions=PARTITIONS), sample_records(PARTITIONS)
    code, (summary,) = verify_topic(
        settings, records, [*records, *sample_records(PARTITIONS, rounds=5)[len(records) :]], tmp_path
    )
    assert code == 0
    assert summary == {"events": 30, "checkpoints": 6, "findings": 0, "not_covered": {"0": 4, "1": 2}}


def test_tampering_with_the_topic_is_named_in_each_partition(new_settings, tmp_path):
    settings, records = new_settings(partitions=PARTITIONS), sample_records(PARTITIONS)
    place = victim(records).partition
    deleted = TAMPERINGS["a deleted event"]
    last = max(i for i, record in enumerate(records) if record.partition != place)
    stored = [r for r in deleted.change(records) if r is not records[last]]
    code, (*findings, _) = verify_topic(settings, records, stored, tmp_path)
    assert code == 4
    found = {(one["partition"], one["kind"]): one["event"] for one in findings}
    assert found.keys() == {(place, "deleted"), (1 - place, "truncated")}
    assert found[place, "deleted"] == deleted.event(records)


def test_a_restore_into_16_partitions_is_connected_with_the_checkpoints_of_8(new_settings, tmp_path):
    records = sample_records(8, titles=20)
    write(tmp_path / "backup", header_of(records, 8), records)
    (tmp_path / "checkpoints").write_text("".join(map(filed, signed_notes(records, 8))), "utf-8")
    (tmp_path / "notary.key").write_text(KEY_TEXT, "utf-8")
    settings, successor = new_settings(partitions=16), tmp_path / "successor"
    signed = ("--successor", str(successor), "--signing-key", str(tmp_path / "notary.key"))
    done = run_command(restore, settings, str(tmp_path / "backup"), *signed)
    assert done.exit_code == 0, done.stderr

    def compare(*more):
        checkpoints, key = ("--checkpoints", str(tmp_path / "checkpoints")), ("--key", str(KEY.verifier))
        return run_command(verify, settings, *checkpoints, *key, *more)

    assert compare().exit_code == 4
    connected = compare("--successor", str(successor))
    assert (connected.exit_code, connected.stdout) == (0, "")
    assert "16 checkpoints match, in 80 events" in connected.stderr
    old = compare("--successor", str(successor), "--backup", str(tmp_path / "backup"))
    assert (old.exit_code, old.stdout) == (0, "")


def test_a_store_matches_what_its_notary_has_signed_and_kept(new_settings):
    settings = new_settings(partitions=PARTITIONS)
    write_events(settings, added_and_removed(10), then="abort")
    write_events(settings, added_and_removed(20))
    assert notarise(settings).refused == []
    options = (
        "--checkpoints",
        str(folder_of(settings) / "checkpoints"),
        "--key",
        str(signer_of(settings).verifier),
    )
    done = run_command(verify, settings, *options)
    assert (done.exit_code, done.stdout) == (0, ""), done.stdout
    assert "2 checkpoints match, in 40 events" in done.stderr
