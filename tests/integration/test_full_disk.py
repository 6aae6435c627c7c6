"""A disk that is really full: it is reported, nothing is lost, and all continues when there is room."""

import logging
import os
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from msgspec.structs import replace

from eventstore.state.outcomes import Accepted
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook
from inventory.isbn import in_house
from producer.writers import binding, snapshot_of, writer_of
from schemas.events import BookAdded
from tests.support.producer.writer_calls import run
from tests.support.query_api.loan_traffic import AT, store_writer
from tests.support.query_api.running_follower import following, query, ready
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.waiting import eventually
from tests.unit.projector.test_store import ROWS, close, known, store_in

FULL = 28
"""The exit code of a process that met a full disk."""
TITLE = "A title of some length " * 10


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small", megabytes=8) as disk:
        yield disk


@pytest.fixture
def settings(new_settings: Callable[..., Settings], disk: SmallDisk) -> Settings:
    return replace(new_settings(partitions=1), data_dir=str(disk.path))


def test_a_replica_on_a_full_disk_keeps_answering_and_catches_up(
    settings: Settings, disk: SmallDisk, caplog: pytest.LogCaptureFixture
):
    writer = store_writer(settings)
    writer.commit(BookAdded(str(in_house(0)), TITLE, "", 2, AT))
    with following(settings) as follower:
        eventually(lambda: ready(follower))
        replica = follower.replica
        disk.fill()
        writer.commit(*[BookAdded(str(in_house(n)), TITLE, "", 2, AT) for n in range(1, 500)])
        eventually(lambda: "disk is full" in (follower.trouble or ""))
        # The background's copy of the write-ahead log meets it, too, every two seconds
        eventually(lambda: "can't be copied" in caplog.text)
        for _ in range(3):
            checked = follower.ends
            eventually(lambda checked=checked: follower.ends is not checked)
        assert query(follower, "SELECT count(*) FROM titles") == [(1,)]
        disk.make_room()
        eventually(lambda: query(follower, "SELECT count(*) FROM titles") == [(500,)])
        eventually(lambda: follower.trouble is None)
        assert follower.replica is replica, "it was sound"
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == len(set(warnings)) == 2, warnings


def test_a_writer_on_a_full_disk_accepts_commands_and_saves_later(
    settings: Settings, disk: SmallDisk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("eventstore.append.writer.SAVE_CLOSING_ENTRIES", 1)
    first = writer_of(settings, 0, snapshot_of(settings, 0, binding(settings)))
    run(first, AddBook(in_house(0), TITLE))
    first.close()
    disk.fill()
    second = writer_of(settings, 0, snapshot_of(settings, 0, binding(settings)))
    commands = [AddBook(in_house(n), TITLE) for n in range(1, 500)]
    assert all(isinstance(outcome, Accepted) for outcome in run(second, *commands))
    second.close()
    assert caplog.text.count("could not be saved; starts read more of the log") == 1
    disk.make_room()
    third = writer_of(settings, 0, snapshot_of(settings, 0, binding(settings)))
    borrowed = run(third, *[BorrowBook(in_house(n), "ann") for n in range(500)])
    assert all(isinstance(outcome, Accepted) for outcome in borrowed), "each title is there"
    third.close()
    snapshot = snapshot_of(settings, 0, binding(settings))
    assert snapshot.load().next > len(commands)
    snapshot.close()


def write_until_full(disk: SmallDisk) -> None:
    """What a worker does, in a process of its own: RocksDB can't close any more after such an error."""
    store = store_in(disk.path / "tables")
    for offset, (key, row) in enumerate(ROWS.items()):
        store.write(0, [(key, row)], offset)
    disk.fill()
    try:
        for offset in range(len(ROWS), 100):
            store.write(0, [(b"large", bytes(100_000))], offset)
    except Exception as error:  # noqa: BLE001  # RocksDB raises no other kind
        os._exit(FULL if "No space left on device" in str(error) else 1)
    os._exit(0)


def test_rows_on_a_full_disk_are_kept_and_written_later(disk: SmallDisk):
    worker = get_context("spawn").Process(target=write_until_full, args=(disk,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == FULL
    disk.make_room()
    again = store_in(disk.path / "tables")
    offset, rows = known(again)
    assert (offset >= len(ROWS) - 1, rows) == (True, ROWS)
    again.write(0, [(b"large", b"row")], offset + 1)
    assert (again.read(0, b"large"), again.offset(0)) == (b"row", offset + 1)
    close(again)
