import pytest

from library.checks.checkpoints import Store, verify
from library.checks.tampering import Kind
from tests.support.evidence.signed_records import (
    CLUSTER,
    KEY,
    NEXT_KEY,
    TOPIC,
    leaves_of,
    sample_records,
    signed_notes,
)
from tests.support.evidence.tamperings import TAMPERINGS, last_of_partition, victim, without

PARTITIONS = 2
STORE = Store(CLUSTER, TOPIC, PARTITIONS)
RECORDS = sample_records(PARTITIONS, titles=9, rounds=5)
NOTES = signed_notes(RECORDS, PARTITIONS, every=4)
PLACE = victim(RECORDS).partition


def kept(partition):
    """The notary's hashes."""
    return b"".join(leaves_of(RECORDS, partition))


def last_note(partition):
    return [note for note in NOTES if note.partition("\n")[0].endswith(f"/{partition}")][-1]


def compare(records, notes=NOTES, hashes=kept, store=STORE, keys=(KEY,)):
    return verify(store, lambda: records, notes, [key.verifier for key in keys], hashes)


def test_untouched_events_match_all_checkpoints():
    verified = compare(RECORDS)
    assert verified.findings == []
    assert verified.checkpoints == len(NOTES)
    assert [one.uncovered for one in verified.partitions] == [0, 0]


def test_the_order_of_partitions_in_a_file_does_not_matter():
    assert compare(sorted(RECORDS, key=lambda record: -record.partition)).findings == []


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_hashes_of_the_notary_show_what_was_done_and_where(name):
    tampering = TAMPERINGS[name]
    found = compare(tampering.change(RECORDS)).findings
    assert {one.partition for one in found} == ({0, 1} if name == "two exchanged partitions" else {PLACE})
    (here,) = [one for one in found if one.partition == PLACE]
    assert (here.kind, here.event) == (tampering.kind, tampering.event(RECORDS))


@pytest.mark.parametrize("name", TAMPERINGS)
def test_versions_show_where_the_events_differ_if_these_hashes_are_missing(name):
    found = compare(TAMPERINGS[name].change(RECORDS), hashes=lambda partition: None).findings
    assert PLACE in [one.partition for one in found]


@pytest.mark.parametrize(
    "name", ["a deleted event", "a truncated partition", "a repeated event", "two exchanged events"]
)
def test_versions_alone_show_gaps_repeats_and_the_order(name):
    tampering = TAMPERINGS[name]
    (found,) = compare(tampering.change(RECORDS), hashes=lambda partition: None).findings
    assert found.kind == tampering.kind


def test_tampering_is_found_among_later_events_too():
    later = sample_records(PARTITIONS, titles=9, rounds=7)
    for name, tampering in TAMPERINGS.items():
        if tampering.kind == Kind.TRUNCATED:
            continue
        found = compare([*tampering.change(RECORDS), *later[len(RECORDS) :]]).findings
        assert tampering.kind in [one.kind for one in found if one.partition == PLACE], name


def test_hashes_that_no_checkpoint_proves_are_not_used():
    forged = TAMPERINGS["a changed time"].change(RECORDS)
    (found,) = compare(forged, hashes=lambda partition: b"".join(leaves_of(forged, partition))).findings
    assert (found.kind, found.partition) == (Kind.CHANGED, PLACE)


def test_events_after_the_last_checkpoint_are_not_covered():
    verified = compare(sample_records(PARTITIONS, titles=9, rounds=6))
    assert verified.findings == []
    assert sum(one.uncovered for one in verified.partitions) == 9


def test_a_checkpoint_of_another_key_is_a_finding():
    forged = TAMPERINGS["a changed value"].change(RECORDS)
    found = compare(forged, notes=signed_notes(forged, PARTITIONS, signers=[NEXT_KEY])).findings
    assert {one.kind for one in found} == {Kind.UNSIGNED}


def test_a_note_of_two_keys_is_accepted_for_each_of_them():
    notes = signed_notes(RECORDS, PARTITIONS, signers=[KEY, NEXT_KEY])
    for keys in ([KEY], [NEXT_KEY], [KEY, NEXT_KEY]):
        assert compare(RECORDS, notes=notes, keys=keys).findings == []


def test_checkpoints_of_another_store_are_findings():
    for store in (Store("other", TOPIC, PARTITIONS), Store(CLUSTER, "other", PARTITIONS)):
        assert {one.kind for one in compare(RECORDS, store=store).findings} == {Kind.FOREIGN}


def test_a_rollback_by_the_owner_of_the_key_is_found_by_one_kept_checkpoint():
    short = without(last_of_partition)(RECORDS)
    signed_again = signed_notes(short, PARTITIONS, every=4)
    assert compare(short, notes=signed_again).findings == []
    (found,) = compare(short, notes=[*signed_again, last_note(PLACE)]).findings
    assert (found.kind, found.partition) == (Kind.TRUNCATED, PLACE)


def test_two_roots_of_one_size_are_a_finding():
    forged = TAMPERINGS["a changed value"].change(RECORDS)
    (found,) = compare(forged, notes=[*signed_notes(forged, PARTITIONS), last_note(PLACE)]).findings
    assert found.kind == Kind.CHANGED
    assert "two roots" in found.summary


def test_an_emptied_partition_is_truncated():
    (found,) = compare([record for record in RECORDS if record.partition != PLACE]).findings
    assert (found.kind, found.partition, found.event) == (Kind.TRUNCATED, PLACE, "")
