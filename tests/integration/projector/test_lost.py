"""Lost disks, changelogs, offsets and events: a worker restores the table, or ends and names the loss."""

import shutil
from pathlib import Path

import pytest
from confluent_kafka.admin import NewPartitions
from rocksdict import Options, Rdict

from eventstore.partitions import partition_of
from eventstore.table_position import POSITION_KEY, TablePosition
from eventstore.topics import events_topic
from projector.batched_faust.store import IDENTITY_KEY, Store
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned
from schemas.topics import changelog_topic, identify
from tests.support.deleted_records import delete_before
from tests.support.projector.event_store import EventStore
from tests.support.projector.library_command import library
from tests.support.projector.table_check import (
    assert_exact,
    expected_rows,
    read_changelog,
    rocksdb_rows,
    until_caught_up,
)
from tests.support.projector.topic_damage import (
    admin_of,
    lose_changelog,
    reset_group,
    write_changelog,
)
from tests.support.waiting import eventually

ISBN = "9780000000002"
NOW = 1_763_900_000_000
FAR = 10**9


@pytest.fixture
def store(settings, crew) -> EventStore:
    """An event store that a worker has folded before it stopped."""
    store = EventStore(settings)
    store.append(300, aborted=0.2)
    worker = crew.start()
    until_caught_up(settings)
    assert worker.stop() == 0
    return store


def test_a_lost_changelog_is_rebuilt(settings, crew, store):
    lose_changelog(settings)
    store.append(50)
    crew.start()
    assert_exact(settings)


def test_a_changelog_older_than_the_committed_offsets_is_completed(settings, crew, store):
    (partition, transaction), *_ = lose_changelog(settings)
    write_changelog(settings, partition, transaction)
    crew.start()
    assert_exact(settings)


def test_committed_offsets_ahead_of_the_table_skip_no_event(settings, crew, store):
    store.append(100)
    reset_group(settings, FAR)
    crew.start()
    # They are overwritten: nobody else would ever see a lag again
    assert_exact(settings)


def test_an_empty_or_old_store_on_disk_is_restored(settings, crew, store):
    table, copy = Path(settings.data_dir) / "projector-0", Path(settings.data_dir) / "copy"
    shutil.copytree(table, copy)
    store.append(100)
    worker = crew.start()
    assert_exact(settings)
    assert worker.stop() == 0
    shutil.rmtree(table)
    copy.rename(table)
    worker = crew.start()
    assert_exact(settings)
    assert worker.stop() == 0
    shutil.rmtree(table)
    crew.start().until_ready()
    assert_exact(settings)


@pytest.mark.parametrize(
    ("key", "value"), [(Store.offset_key, b"%d" % FAR), (IDENTITY_KEY, b"another/one/here")]
)
def test_a_store_ahead_of_its_changelog_or_of_another_table_is_discarded(settings, crew, store, key, value):
    for path in Path(settings.data_dir).glob("projector-0/v*/tables/*.db"):
        db = Rdict(str(path), Options(raw_mode=True))
        for isbn in list(db.keys()):
            assert isinstance(isbn, bytes)
            if isbn.isdigit():
                db[isbn] = b"a row that the changelog does not have"
        db[key] = value
        db.close()
    crew.start().until_ready()
    assert_exact(settings)


def test_rows_that_cannot_be_understood_are_computed_anew(settings, crew, store):
    """On disk without a restart, in the changelog with one, whatever the number of damaged rows."""
    tables = sorted(Path(settings.data_dir).glob("projector-0/v*/tables/*.db"))
    assert len(tables) == settings.partitions
    (tables[0] / "CURRENT").write_bytes(b"garbage")
    shutil.rmtree(tables[1])
    tables[1].write_bytes(b"a file")
    damaged = [isbn for isbn in read_changelog(settings).rows if partition_of(isbn, 3) == 2]
    assert len(damaged) > 10
    write_changelog(settings, 2, [(isbn.encode(), b"garbage") for isbn in damaged])
    write_changelog(settings, 1, [(POSITION_KEY, b"garbage")])
    store.append(150)
    worker = crew.start()
    assert worker.ended() == 1
    assert "is damaged, so all rows of its partition are recomputed" in worker.said()
    crew.start()
    until_caught_up(settings)
    verified = library(settings, "verify", "--table-only")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    rows = expected_rows(settings)
    eventually(lambda: rocksdb_rows(settings) == rows)


def test_a_worker_refuses_a_table_that_does_not_fit_its_event_store(settings, crew, store):
    _move_position(settings, FAR, identify(admin_of(settings), settings).source)
    worker = crew.start()
    assert worker.ended() == 65
    assert "it lost events" in worker.said()
    _move_position(settings, 5, "another/store")
    worker = crew.start()
    assert worker.ended() == 65
    assert "made from another event store" in worker.said()
    delete_before(settings, changelog_topic(settings), 2, range(settings.partitions))
    worker = crew.start()
    assert worker.ended() == 65
    assert "rows were deleted" in worker.said()


def _move_position(settings, following: int, source: str) -> None:
    write_changelog(settings, 0, [(POSITION_KEY, encode(TablePosition(source, following)))])


def test_a_worker_refuses_to_skip_deleted_events(settings, crew, store):
    lose_changelog(settings)
    delete_before(settings, events_topic(settings), 10, range(settings.partitions))
    worker = crew.start()
    assert worker.ended() == 65
    assert "events were deleted" in worker.said()


def test_a_running_worker_ends_once_partitions_were_added(settings, crew, store):
    worker = crew.start()
    until_caught_up(settings)
    admin, topic = admin_of(settings), events_topic(settings)
    admin.create_partitions([NewPartitions(topic, settings.partitions + 1)])[topic].result(20)
    assert worker.ended(limit=60) == 65
    assert f"has {settings.partitions + 1} partitions, the settings say" in worker.said()


def test_foreign_records_change_no_other_title_and_stop_no_worker(settings, crew, store):
    """Version 1 again, before and after a restart; another version again; a version after a gap."""
    again = BookAdded(ISBN, "again", "b", 1, NOW)
    store.write(1, BookAdded(ISBN, "first", "a", 9, NOW), BookBorrowed(ISBN, "ann", NOW, NOW))
    worker = crew.start()
    until_caught_up(settings)
    store.write(1, again)
    store.write(3, BookReturned(ISBN, "ann", NOW))
    until_caught_up(settings)
    store.write(1, again)
    until_caught_up(settings)
    assert worker.stop() == 0
    store.write(1, again)
    store.write(2, BookBorrowed(ISBN, "bob", NOW, NOW))
    worker = crew.start()
    until_caught_up(settings)
    row = read_changelog(settings).rows[ISBN]
    assert (row.version, row.title, row.loans, row.held) == (3, "first", (), None)
    store.write(7, again)
    store.append(50)
    until_caught_up(settings)
    row = read_changelog(settings).rows[ISBN]
    assert row.held is not None
    assert (row.version, row.title, row.held.version) == (3, "first", 7)
    verified = library(settings, "verify", "--table-only")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert worker.stop() == 0


def test_a_row_larger_than_a_batch_is_written(settings, crew):
    store = EventStore(settings)
    store.write(1, BookAdded(ISBN, "t" * 900_000, "a", 9, NOW))
    store.write(2, BookBorrowed(ISBN, "u" * 200_000, NOW, NOW))
    worker = crew.start()
    assert worker.ended() == 65
    assert "too many open loans" in worker.said()
    assert [row.version for row in read_changelog(settings).rows.values()] in ([], [1])
