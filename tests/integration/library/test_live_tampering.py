"""Every kind of tampering on the topic itself, found by notary, verify and the query API's proofs."""

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from eventstore.topics import events_topic
from evidence.merkle import BadProof
from evidence.proof import check_proof
from library.commands.verify import verify
from library.store.offsets import settled_end
from library.store.ordered_records import records
from notary.keys import key_file
from notary.refusal import Refused
from query_api.following.evidence import Evidence, NoCheckpoint
from query_api.following.source import Source
from tests.support.evidence.live_topic import fill, refill
from tests.support.evidence.signed_records import sample_records
from tests.support.evidence.tamperings import TAMPERINGS, last_of_partition, victim, without
from tests.support.library.command_runner import run_command
from tests.support.notary_runs import folder_of, make_anew, notarise, signer_of
from tests.support.stores import new_store

PARTITIONS = 2
RECORDS = sample_records(PARTITIONS)
PLACE = victim(RECORDS).partition


@pytest.fixture(scope="module")
def signed(broker, tmp_path_factory):
    """A store whose events are signed, and a copy of its notary's folder."""
    settings = new_store(broker, tmp_path_factory.mktemp("signed"), partitions=PARTITIONS)
    fill(settings, RECORDS)
    assert notarise(settings).refused == []
    kept = folder_of(settings).with_name("kept")
    shutil.copytree(folder_of(settings), kept)
    return settings, kept


@pytest.fixture
def store(signed):
    """The settings of that store, and the notary's folder as it was then."""
    settings, kept = signed
    shutil.rmtree(folder_of(settings))
    shutil.copytree(kept, folder_of(settings))
    return settings, kept


def verified(settings, file, *keys):
    """Exit code and findings of `library verify` for the topic."""
    options = [part for key in keys or (signer_of(settings),) for part in ("--key", str(key.verifier))]
    done = run_command(verify, settings, "--checkpoints", str(file), *options, "--json")
    *findings, summary = map(json.loads, done.stdout.splitlines())
    assert summary["findings"] == len(findings)
    return done.exit_code, findings


def proof_holds(settings, partition):
    """Whether the query API can prove the partition's first event."""
    api = Evidence(settings, Source(settings))
    ends = settled_end(settings, events_topic(settings), 20)
    first = next(records(settings, {partition: ends[partition]}))
    try:
        proof, proved = api.prove(partition, [first.offset])
        check_proof(proof, [signer_of(settings).verifier])
    except (BadProof, NoCheckpoint):
        return False
    return proved == 1


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_with_the_topic_is_found_and_named(store, name):
    settings, kept = store
    tampering = TAMPERINGS[name]
    refill(settings, tampering.change(RECORDS))
    # The topic is still the same one, and the place of the first event shows that it was emptied
    assert PLACE in notarise(settings).refused
    code, findings = verified(settings, kept / "checkpoints")
    assert code == 4
    here = {"kind": tampering.kind, "partition": PLACE, "event": tampering.event(RECORDS)}
    assert here in [{member: finding[member] for member in here} for finding in findings]
    assert not proof_holds(settings, PLACE)


def test_the_same_events_written_again_match_their_checkpoints(store):
    settings, kept = store
    refill(settings, RECORDS)
    assert verified(settings, kept / "checkpoints") == (0, [])
    assert all(proof_holds(settings, partition) for partition in range(PARTITIONS))


def test_an_event_that_belongs_to_another_partition_is_named(store):
    settings, kept = store
    moved = next(record for record in RECORDS if record.partition != PLACE)
    refill(settings, [replace(moved, partition=PLACE), *RECORDS])
    assert PLACE in notarise(settings).refused
    code, (finding,) = verified(settings, kept / "checkpoints")
    assert (code, finding["kind"], finding["partition"]) == (4, "inserted", PLACE)
    assert finding["event"] == moved.key.decode()


def test_checkpoints_that_another_key_has_signed_are_named(store):
    settings, _ = store
    refill(settings, TAMPERINGS["a changed value"].change(RECORDS))
    another = settings_of_another_notary(settings)
    assert notarise(another).refused == []
    code, findings = verified(another, folder_of(another) / "checkpoints", signer_of(settings))
    assert (code, {finding["kind"] for finding in findings}) == (4, {"unsigned"})


def test_a_rollback_by_the_owner_of_the_key_is_found_by_a_kept_checkpoint_only(store):
    settings, kept = store
    refill(settings, without(last_of_partition)(RECORDS))
    again = settings_of_another_notary(settings, key_file(settings))
    assert notarise(again).refused == []
    signed_again = folder_of(again) / "checkpoints"
    assert verified(again, signed_again) == (0, [])
    both = folder_of(again) / "both"
    both.write_text(signed_again.read_text() + (kept / "checkpoints").read_text(), "utf-8")
    code, (finding,) = verified(again, both)
    assert (code, finding["kind"], finding["partition"]) == (4, "truncated", PLACE)


def test_a_topic_that_was_made_anew_is_another_store(broker, tmp_path):
    settings = new_store(broker, tmp_path, partitions=PARTITIONS)
    fill(settings, RECORDS)
    notarise(settings)
    make_anew(settings)
    fill(settings, TAMPERINGS["a changed value"].change(RECORDS))
    with pytest.raises(Refused, match="made anew"):
        notarise(settings)
    code, findings = verified(settings, folder_of(settings) / "checkpoints")
    assert (code, {finding["kind"] for finding in findings}) == (4, {"foreign"})
    assert Evidence(settings, Source(settings)).checkpoints() == {}


def settings_of_another_notary(settings, keys=None):
    """The same store, with another folder for the notary, and another key unless it has the file ``keys``."""
    other = replace(settings, data_dir=str(Path(settings.data_dir).with_name(f"notary-{uuid4().hex[:8]}")))
    Path(other.data_dir).mkdir()
    if keys is not None:
        shutil.copy(keys, key_file(other))
    return other
