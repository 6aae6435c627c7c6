import pytest
from msgspec.structs import replace

from eventstore.partitions import partition_of
from evidence.checkpoint import BadCheckpoint
from evidence.note import Unsigned
from evidence.successor import open_successor
from library.checks.checkpoints import Store, verify
from library.checks.tampering import Kind
from library.store.succession import NotTheSame, successor_of
from tests.support.evidence.signed_records import (
    CLUSTER,
    KEY,
    NAME,
    NEXT_KEY,
    TOPIC,
    header_of,
    sample_records,
    signed_notes,
)

OLD, NEW = 8, 16
OLD_RECORDS = sample_records(OLD, titles=20)
OLD_NOTES = signed_notes(OLD_RECORDS, OLD)
NEW_STORE = ("cluster-1", "topic/1")


def home(record):
    return partition_of(record.key.decode()[:13], NEW)


NEW_RECORDS = [replace(record, partition=home(record)) for record in OLD_RECORDS]
LATER = sample_records(NEW, titles=20, rounds=5)[len(OLD_RECORDS) :]


def succeed(old, new):
    return successor_of(NAME, (header_of(old, OLD), old), NEW_STORE, new, home, NEW)


def compare(records, notes, successors, store=NEW_STORE, partitions=NEW):
    cluster, topic = store
    return verify(
        Store(cluster, topic, partitions), lambda: records, notes, [KEY.verifier], lambda p: None, successors
    )


SUCCESSOR = succeed(OLD_RECORDS, NEW_RECORDS)


def test_a_successor_reads_back_as_signed():
    note = SUCCESSOR.signed([KEY])
    assert note.splitlines()[0] == "library.example/cluster-1/topic_1/successor"
    assert open_successor(note, [KEY.verifier]) == SUCCESSOR
    with pytest.raises(Unsigned):
        open_successor(note, [NEXT_KEY.verifier])
    with pytest.raises(BadCheckpoint):
        open_successor(OLD_NOTES[0], [KEY.verifier])


def test_events_that_were_appended_since_do_not_change_a_successor():
    assert succeed(OLD_RECORDS, [*NEW_RECORDS, *LATER]) == SUCCESSOR


def test_no_successor_is_made_of_other_events():
    forged = [*NEW_RECORDS[:-1], replace(NEW_RECORDS[-1], timestamp=0)]
    for records in (forged, NEW_RECORDS[1:]):
        with pytest.raises(NotTheSame):
            succeed(OLD_RECORDS, records)


def test_the_new_store_is_compared_with_the_successor_and_old_checkpoints():
    verified = compare([*NEW_RECORDS, *LATER], OLD_NOTES, [SUCCESSOR])
    assert verified.findings == []
    assert verified.checkpoints == NEW
    assert sum(one.uncovered for one in verified.partitions) == len(LATER)
    assert {one.kind for one in compare(NEW_RECORDS, OLD_NOTES, []).findings} == {Kind.FOREIGN}


def test_the_backup_of_the_old_store_is_compared_with_the_successor():
    verified = compare(OLD_RECORDS, [], [SUCCESSOR], (CLUSTER, TOPIC), OLD)
    assert (verified.findings, verified.checkpoints) == ([], OLD)
    forged = [replace(OLD_RECORDS[0], timestamp=0), *OLD_RECORDS[1:]]
    (found,) = compare(forged, [], [SUCCESSOR], (CLUSTER, TOPIC), OLD).findings
    assert found.kind == Kind.CHANGED


def test_a_change_in_the_new_store_before_its_first_checkpoint_is_found():
    forged = [replace(NEW_RECORDS[0], timestamp=0), *NEW_RECORDS[1:]]
    (found,) = compare(forged, OLD_NOTES, [SUCCESSOR]).findings
    assert (found.kind, found.partition) == (Kind.CHANGED, home(NEW_RECORDS[0]))


def test_a_restore_of_fewer_events_than_were_signed_is_found():
    shorter = succeed(OLD_RECORDS[:-1], NEW_RECORDS[:-1])
    (found,) = compare(NEW_RECORDS[:-1], OLD_NOTES, [shorter]).findings
    assert (found.kind, found.summary.partition(" of ")[0]) == (Kind.TRUNCATED, "1 signed events")


def test_a_restore_of_other_events_than_were_signed_is_found():
    forged = [*OLD_RECORDS[:-1], replace(OLD_RECORDS[-1], timestamp=OLD_RECORDS[-1].timestamp + 1)]
    new = [replace(record, partition=home(record)) for record in forged]
    (found,) = compare(new, OLD_NOTES, [succeed(forged, new)]).findings
    assert found.kind == Kind.CHANGED
    assert "were restored" in found.summary
