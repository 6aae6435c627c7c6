"""The replica: its batches, its identity, and the rows and totals that it keeps."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from query_api.queries.titles import title_json
from query_api.replica import replica as replica_module
from query_api.replica.folders import replica_folder
from query_api.replica.progress import Progress
from query_api.replica.replica import FILE, Replica, Unusable, create_replica, open_replica
from query_api.replica.rows import put_rows
from query_api.replica.tables import INDEXES
from schemas.events import BookAdded, BookBorrowed
from schemas.row import Held, InventoryRow, Loan
from tests.support.query_api.api_without_kafka import IDENTITY, ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START

ROW = InventoryRow(ISBNS[0], "Title", "Author", 5, 5, (), False, 3, START)
AT = Progress((1,), (1,), (1,), (True,))


def test_a_reopened_replica_has_the_same_rows_and_progress(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    with replica.batch(AT) as db:
        put_rows(db, [ROW])
    replica.close()
    again = open_replica(tmp_path)
    assert again is not None
    assert (again.identity, again.progress) == (IDENTITY, AT)
    assert title_json(again.connect(), int(ROW.isbn)) is not None


def test_a_failed_batch_leaves_no_trace_in_the_replica(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)

    def fail() -> None:
        with replica.batch(AT) as db:
            put_rows(db, [ROW])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert replica.progress == Progress.none(1)
    assert title_json(replica.connect(), int(ROW.isbn)) is None
    with replica.batch(AT) as db:
        put_rows(db, [ROW])
    assert title_json(replica.connect(), int(ROW.isbn)) is not None


def test_a_held_reader_sees_each_batch_and_the_log_is_used_again(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    log, sizes = tmp_path / f"{FILE}-wal", []
    held = replica.reader_until_next_batch()
    for number in range(1, 21):
        with replica.batch(Progress((number,), (number,), (number,), (True,))) as db:
            # A read that begins while the batch is stored must not last beyond it
            assert version_of(held) == (number - 1 or None)
            put_rows(db, [replace(ROW, version=number)])
        assert version_of(held) == number
        replica.checkpoint()
        sizes.append(log.stat().st_size)
    assert sizes[-1] == sizes[1]


def version_of(db: sqlite3.Connection) -> int | None:
    if not db.in_transaction:
        db.execute("BEGIN")
    found = db.execute("SELECT version FROM titles").fetchone()
    return None if found is None else int(found[0])


def test_a_check_leaves_no_memory_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trimmed = list[bool]()
    monkeypatch.setattr(replica_module, "return_free_memory", lambda: trimmed.append(True))
    replica = create_replica(tmp_path, IDENTITY, 1)
    assert trimmed == []
    assert replica.find_damage(lambda: False) is None
    assert trimmed == [True]
    (tmp_path / FILE).unlink()
    with pytest.raises(sqlite3.Error):
        replica.find_damage(lambda: False)
    assert trimmed == [True, True]


def test_the_end_of_the_first_read_leaves_no_memory_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trimmed = list[bool]()
    monkeypatch.setattr(replica_module, "return_free_memory", lambda: trimmed.append(True))
    replica = create_replica(tmp_path, IDENTITY, 1)
    for number, settled, times in ((1, False, 0), (2, True, 1), (3, True, 1)):
        with replica.batch(Progress((number,), (number,), (number,), (settled,))):
            pass
        assert len(trimmed) == times


def test_a_checkpoint_moves_writes_into_the_database_file(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    with replica.batch(AT) as db:
        put_rows(db, [ROW])
    replica.checkpoint()
    copy = tmp_path / "copy"
    copy.mkdir()
    # Without the log beside it
    shutil.copy(tmp_path / FILE, copy / FILE)
    opened = open_replica(copy)
    assert opened is not None
    assert opened.progress == AT
    assert title_json(opened.connect(), int(ROW.isbn)) is not None


def test_query_indexes_are_created_once_everything_was_read(tmp_path: Path):
    reading = Progress((1,), (1,), (1,), (False,))
    replica = create_replica(tmp_path, IDENTITY, 1)
    with replica.batch(reading) as db:
        put_rows(db, [ROW])
    assert not indexes(replica)
    replica.close()
    again = open_replica(tmp_path)
    assert again is not None
    with again.batch(AT):
        pass
    created = indexes(again)
    assert len(created) == INDEXES.count("CREATE INDEX")
    with again.batch(replace(AT, ready=True)):
        pass
    assert indexes(again) == created


def indexes(replica: Replica) -> set[str]:
    named = replica.connect().execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    return {name for (name,) in named if "_by_" in name}


def test_opening_a_missing_replica_returns_none(tmp_path: Path):
    assert open_replica(tmp_path) is None


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 20_000])
def test_a_damaged_replica_is_detected(tmp_path: Path, size: int):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(isbn, "T" * 500, "A", 1, START) for isbn in ISBNS])
    stock.replica.close()
    for ending in ("-wal", "-shm"):
        (tmp_path / f"{FILE}{ending}").unlink(missing_ok=True)
    path = tmp_path / FILE
    sound = path.read_bytes()
    path.write_bytes(sound[:size] + os.urandom(4096) + sound[size + 4096 :])
    with pytest.raises(Unusable):
        open_replica(tmp_path)


def test_a_replica_of_another_release_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    create_replica(tmp_path, IDENTITY, 1).close()
    monkeypatch.setattr("query_api.replica.replica.FORMAT", "another")
    with pytest.raises(Unusable, match="release"):
        open_replica(tmp_path)


def test_a_row_is_replaced_by_the_same_or_a_higher_version_only(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)

    def put(row: InventoryRow) -> bytes:
        with replica.batch(AT) as db:
            put_rows(db, [row])
        title = title_json(replica.connect(), int(ROW.isbn))
        assert title is not None
        return title[0]

    newest = put(ROW)
    assert put(replace(ROW, version=2, title="Older")) == newest
    assert b"Recomputed" in put(replace(ROW, title="Recomputed"))
    assert b'"held":{"version":4' in put(replace(ROW, held=Held(4, 9, "poison")))


def test_loans_and_totals_follow_the_rows(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    ann, bob = Loan("ann", START, START + 5), Loan("bob", START, START + 6)
    steps = [
        (replace(ROW, available=4, loans=(ann,)), {("ann", START + 5)}, (1, 0, 5, 4)),
        (
            replace(ROW, available=3, loans=(ann, bob), version=4),
            {("ann", START + 5), ("bob", START + 6)},
            (1, 0, 5, 3),
        ),
        (replace(ROW, available=4, loans=(replace(ann, due_at=9),), version=5), {("ann", 9)}, (1, 0, 5, 4)),
        (replace(ROW, available=0, quantity=0, removed=True, version=6), set(), (0, 1, 0, 0)),
        (replace(ROW, available=2, quantity=2, version=7), set(), (1, 0, 2, 2)),
    ]  # fmt: skip
    for row, loans, totals in steps:
        with replica.batch(AT) as db:
            put_rows(db, [row])
        db = replica.connect()
        assert set(db.execute("SELECT user_id, due_at FROM loans")) == loans
        assert db.execute("SELECT titles, removed, copies, available FROM totals").fetchone() == totals


def test_a_repeated_event_is_stored_once(tmp_path: Path):
    stock = ApiWithoutKafka(
        tmp_path, [BookAdded(ISBNS[0], "T", "A", 1, START), BookBorrowed(ISBNS[0], "ann", START, START)]
    )
    with stock.replica.batch(stock.replica.progress) as db:
        from query_api.replica.events import put_events

        put_events(db, [replace(stock.stored[0], offset=77)])
    assert stock.ask("/stats").json()["events"] == 2
    assert [item["position"] for item in stock.ask(f"/inventory/{ISBNS[0]}/history").json()["items"]] == [
        f"{e.partition}:{e.offset}" for e in stock.stored
    ]


def test_processes_that_share_a_folder_get_a_replica_each(tmp_path: Path):
    with replica_folder(tmp_path) as first, replica_folder(tmp_path) as second:
        assert first != second
    with replica_folder(tmp_path) as again:
        assert again == first
