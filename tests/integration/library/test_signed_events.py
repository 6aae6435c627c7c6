import json

from confluent_kafka.admin import AdminClient

from evidence.checkpoint import filed
from foundation.kafka_clients import client_config
from library.commands.restore import restore
from library.commands.verify import verify
from library.store.backup_file import write
from schemas.topics import identify
from tests.support.evidence.signed_records import KEY, header_of, sample_records, signed_notes
from tests.support.evidence.tamperings import TAMPERINGS, victim
from tests.support.library.command_runner import run_command

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
