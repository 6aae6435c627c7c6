"""A snapshot may be lost, old, another log's or damaged: then more is read, and nothing else changes."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import asdict

from eventstore.append.writer import Writer
from eventstore.state import snapshot_layout as layout
from eventstore.state.checked_map import CheckedMap
from eventstore.state.outcomes import Accepted
from eventstore.topics import events_topic
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, ReturnBook
from inventory.isbn import in_house
from inventory.rules import Title
from producer.writers import binding, decider_of, snapshot_of, writer_of
from schemas.events import Event
from tests.support.producer.writer_calls import (
    ADD,
    ISBN,
    OTHER,
    accepted,
    command,
    committed_records,
    refused,
    run,
)
from tests.support.stores import empty_topics

BORROW = BorrowBook(ISBN, "ann")
ONCE = command(ADD, "once")


@pytest.fixture
def store(new_settings: Callable[..., Settings]) -> Settings:
    """A system with one partition and a data directory."""
    settings = new_settings(partitions=1)
    Path(settings.data_dir).mkdir()
    return settings


@pytest.fixture
def saved(store: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same with ``ADD`` and a loan to ann in its log and in its snapshot; whatever is closed is saved."""
    monkeypatch.setattr("eventstore.append.writer.SAVE_CLOSING_ENTRIES", 1)
    writer = start(store)
    writer.execute([ONCE], 20)
    run(writer, BORROW)
    writer.close()
    assert loaded(store) == 4
    return store


def start(settings: Settings, bound_to: str | None = None) -> Writer:
    return writer_of(settings, 0, snapshot_of(settings, 0, bound_to or binding(settings)))


def loaded(settings: Settings, bound_to: str | None = None) -> int:
    """The offset up to which a new start need not read."""
    snapshot = snapshot_of(settings, 0, bound_to or binding(settings))
    try:
        return snapshot.load().next
    finally:
        snapshot.close()


def files(settings: Settings) -> list[Path]:
    return sorted(Path(settings.data_dir, "producer").glob("*.sqlite"))


def all_is_right(settings: Settings) -> None:
    """A writer knows the title, its loan and its command id, as the log has them."""
    writer = start(settings)
    assert refused(run(writer, BORROW)[0]) == "already_borrowed"
    assert accepted(writer.execute([ONCE], 20)[0]).replayed
    accepted(run(writer, BorrowBook(ISBN, "bob"))[0])
    accepted(run(writer, ReturnBook(ISBN, "bob"))[0])
    writer.close()


def test_a_start_reads_only_events_after_the_snapshot(saved: Settings):
    writer = writer_of(saved, 0)
    run(writer, ReturnBook(ISBN, "ann"))
    writer.close()
    late = start(saved)
    accepted(run(late, BORROW)[0])
    assert set(late.state.added) == {message["command_id"] for message in commands(saved)[2:]}
    late.close()
    assert loaded(saved) == 8


def commands(settings: Settings) -> list[dict[str, str]]:
    headers: list[Any] = [message.headers() for message in committed_records(settings)]
    return [{name: value.decode() for name, value in pairs} for pairs in headers]


def test_saving_a_snapshot_releases_memory(store: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eventstore.append.writer.SAVE_IDLE_ENTRIES", 3)
    writer = start(store)
    run(writer, ADD, BORROW)
    writer.rest()
    assert writer.state.unsaved == 2
    run(writer, ReturnBook(ISBN, "ann"))
    writer.rest()
    # While it is being saved, and after
    assert refused(run(writer, ReturnBook(ISBN, "ann"))[0]) == "not_on_loan"
    writer._snapshot.settle(writer.state, wait=True)
    assert (writer.state.unsaved, loaded(store)) == (0, 5)
    assert refused(run(writer, ReturnBook(ISBN, "ann"))[0]) == "not_on_loan"
    writer.close()


def test_events_that_arrive_during_a_save_are_kept(store: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eventstore.append.writer.SAVE_IDLE_ENTRIES", 1)
    writer = start(store)
    run(writer, ADD)
    writer.rest()
    run(writer, BORROW)
    writer._snapshot.settle(writer.state, wait=True)
    assert set(writer.state.streams) == {ISBN}
    assert refused(run(writer, BORROW)[0]) == "already_borrowed"
    writer.rest()
    writer.close()
    assert loaded(store) == 4
    assert refused(run(start(store), BORROW)[0]) == "already_borrowed"


def test_a_save_by_another_process_is_not_reported_as_damage(
    store: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("eventstore.append.writer.SAVE_IDLE_ENTRIES", 1)
    writer = start(store)
    run(writer, ADD)
    writer.rest()
    writer._snapshot.settle(writer.state, wait=True)
    other = CheckedMap(files(store)[0], create=False)
    other.begin()
    run(writer, BORROW)
    writer.rest()
    writer._snapshot.settle(writer.state, wait=True)
    assert (set(writer.state.streams), loaded(store), caplog.messages) == ({ISBN}, 2, [])
    other.rollback()
    other.close()
    writer.rest()
    writer._snapshot.settle(writer.state, wait=True)
    assert (writer.state.unsaved, loaded(store)) == (0, 4)
    writer.close()


@pytest.mark.parametrize(
    ("wrong", "part"), [("another-cluster", 0), ("another-topic", 1), ("another-rules-version", 2)]
)
def test_a_snapshot_of_another_system_is_ignored_and_replaced(saved: Settings, wrong: str, part: int):
    parts = binding(saved).split()
    parts[part] = wrong
    assert loaded(saved, " ".join(parts)) == 0
    writer = start(saved, " ".join(parts))
    assert refused(run(writer, BORROW)[0]) == "already_borrowed"
    writer.close()
    assert loaded(saved, " ".join(parts)) == 4
    all_is_right(saved)


class ShelvedTitle(Title, frozen=True, array_like=True, kw_only=True):
    """The state of a later release: it has one more field, which no saved state has."""

    shelf: str


def install_release_with_shelves(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    decider: Any = decider_of(settings)

    def evolve(title: ShelvedTitle, event: Event) -> ShelvedTitle:
        return ShelvedTitle(**(asdict(decider.evolve(title, event)) | {"shelf": title.shelf}))

    later = replace(decider, initial=ShelvedTitle(shelf=""), evolve=evolve)
    monkeypatch.setattr("producer.writers.decider_of", lambda settings: later)


def test_a_snapshot_of_a_release_without_a_field_of_the_state_is_ignored_and_replaced(
    saved: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    before = binding(saved)
    install_release_with_shelves(monkeypatch, saved)
    with caplog.at_level("INFO", "eventstore.state.snapshot"):
        writer = start(saved)
        assert refused(run(writer, BORROW)[0]) == "already_borrowed"
        writer.close()
    (message,) = [record.message for record in caplog.records if record.name == "eventstore.state.snapshot"]
    assert f"is not used: it belongs to {before} 0" in message
    assert loaded(saved) == 4
    all_is_right(saved)


def test_a_saved_state_that_cannot_be_read_counts_as_damage(
    saved: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The fingerprint noticed nothing."""
    bound = binding(saved)
    install_release_with_shelves(monkeypatch, saved)
    writer = start(saved, bound)
    assert refused(run(writer, BORROW)[0]) == "already_borrowed"
    writer.close()
    (message,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "can't be read; the log is read instead" in message
    assert loaded(saved, bound) == 4


def test_a_snapshot_notices_a_restored_log_with_the_same_ids(saved: Settings):
    """The snapshot's binding is the same; the log's content is not."""
    bound = binding(saved)
    empty_topics(saved, events_topic(saved))
    first = writer_of(saved, 0)
    run(first, AddBook(OTHER, "Programming Elixir"), AddBook(ISBN, "Elixir", "", 1), BorrowBook(ISBN, "eve"))
    first.close()

    writer = start(saved, bound)
    assert refused(run(writer, BORROW)[0]) == "none_available"
    assert not accepted(run(writer, ReturnBook(ISBN, "eve"))[0]).replayed
    writer.close()


def test_a_snapshot_beyond_the_end_of_the_log_is_ignored_if_it_persists(
    saved: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("eventstore.append.catch_up.PATIENCE_S", 0.3)
    bound = binding(saved)
    empty_topics(saved, events_topic(saved))
    writer = start(saved, bound)
    assert refused(run(writer, BORROW)[0]) == "unknown_title"
    accepted(run(writer, ADD)[0])
    writer.close()
    assert loaded(saved, bound) == 2


@pytest.mark.parametrize("damage", ["random", "holes", "truncated", "empty", "gone", "a folder"])
def test_a_damaged_snapshot_is_ignored_and_replaced(saved: Settings, damage: str):
    (file,) = files(saved)
    whole = file.read_bytes()
    match damage:
        case "random":
            file.write_bytes(Random(1).randbytes(len(whole)))
        case "holes":
            file.write_bytes(whole[:4096] + Random(1).randbytes(len(whole) - 4096))
        case "truncated":
            file.write_bytes(whole[: len(whole) // 2])
        case "empty":
            file.write_bytes(b"")
        case _:
            file.unlink()
            if damage == "a folder":
                file.mkdir()
    all_is_right(saved)
    assert loaded(saved) == 8


def test_damage_found_in_a_snapshot_in_use_causes_a_reload(saved: Settings):
    writer = start(saved)
    writer.execute([], 20)
    with sqlite3.connect(files(saved)[0]) as db:
        db.execute("UPDATE pages SET content = x'80' WHERE number > 0")
    assert refused(run(writer, BORROW)[0]) == "already_borrowed"
    writer.close()
    all_is_right(saved)


def test_a_title_missing_from_a_damaged_snapshot_is_not_unknown(saved: Settings):
    with sqlite3.connect(files(saved)[0]) as db:
        db.execute("DELETE FROM pages WHERE number > 0")
    all_is_right(saved)


def test_concurrent_saves_by_two_processes_lose_nothing(saved: Settings):
    one, another = start(saved), start(saved)
    run(one, ReturnBook(ISBN, "ann"))
    run(another, BorrowBook(ISBN, "bob"))
    another.close()
    assert loaded(saved) == 8
    # The first knows less than what is stored now: it must not put it back, nor decide on a mixture
    one._snapshot.save(one.state)
    assert loaded(saved) == 8
    assert refused(run(one, BorrowBook(ISBN, "bob"))[0]) == "already_borrowed"
    accepted(run(one, BorrowBook(ISBN, "eve"))[0])
    one.close()
    assert loaded(saved) == 10
    assert refused(run(start(saved), BorrowBook(ISBN, "eve"))[0]) == "already_borrowed"


def test_a_save_may_replace_a_snapshot_that_is_further(saved: Settings):
    one, another = start(saved), start(saved)
    one.execute([], 20)
    run(another, ReturnBook(ISBN, "ann"))
    another.close()
    run(one, BorrowBook(ISBN, "bob"), BorrowBook(ISBN, "eve"))
    one.close()
    assert loaded(saved) == 9
    check = start(saved)
    assert refused(run(check, ReturnBook(ISBN, "ann"))[0]) == "not_on_loan"
    assert isinstance(run(check, ReturnBook(ISBN, "bob"))[0], Accepted)
    check.close()


def test_a_save_ignores_an_unfinished_snapshot_of_a_killed_process(saved: Settings):
    writer = start(saved)
    run(writer, BorrowBook(ISBN, "bob"), ReturnBook(ISBN, "bob"))
    CheckedMap(files(saved)[0].with_name("test-begun"), create=True).close()
    begun = files(saved)[0].with_name(files(saved)[0].name.replace("-1.sqlite", "-2.sqlite"))
    files(saved)[0].with_name("test-begun").rename(begun)
    writer._snapshot.save(writer.state)
    writer.close()
    # Of the first command, which was saved before, the writer held nothing that it could have put there
    all_is_right(saved)


def test_a_process_follows_its_snapshot_into_another_processs_file(saved: Settings):
    """One process has passed over the file that another still uses."""
    one, another = start(saved), start(saved)
    run(one, BorrowBook(ISBN, "bob"))
    another._snapshot.discard()
    another.state = None
    run(another, ReturnBook(ISBN, "bob"))
    another.close()
    assert len(files(saved)) == 1
    run(one, ReturnBook(ISBN, "ann"), BorrowBook(ISBN, "eve"))
    one._snapshot.save(one.state)
    assert one.state.unsaved == 0
    assert refused(run(one, BorrowBook(ISBN, "eve"))[0]) == "already_borrowed"
    assert accepted(one.execute([ONCE], 20)[0]).replayed
    one.close()


class FullDisk(CheckedMap):
    """A map that SQLite gives no more room."""

    def begin(self) -> None:
        self._db.execute("PRAGMA max_page_count = 1")
        super().begin()


def test_a_full_disk_keeps_the_previous_snapshot(
    saved: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    writer = start(saved)
    writer.execute([], 20)
    monkeypatch.setattr("eventstore.state.snapshot.CheckedMap", FullDisk)
    more = [AddBook(in_house(n), "A title that takes its place " * 30) for n in range(60)]
    assert all(isinstance(outcome, Accepted) for outcome in run(writer, *more))
    writer.close()
    assert "database or disk is full" in caplog.text
    monkeypatch.undo()
    assert loaded(saved) == 4
    all_is_right(saved)


def test_a_writer_works_where_no_snapshot_can_be_written(saved: Settings, caplog: pytest.LogCaptureFixture):
    """As on a read-only disk; the superuser may write into a read-only folder, so a file stands for it."""
    folder = Path(saved.data_dir, "producer")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("no folder")
    all_is_right(saved)
    assert "could not be saved" in caplog.text


def test_a_missing_data_directory_is_not_created(new_settings: Callable[..., Settings]):
    settings = new_settings(partitions=1)
    writer = start(settings)
    run(writer, ADD)
    writer.close()
    assert not Path(settings.data_dir).exists()


def test_a_snapshot_is_bound_to_cluster_topic_and_rules(saved: Settings):
    cluster, topic, rules = binding(saved).split()
    assert all((cluster, topic))
    assert rules == f"{decider_of(saved).fingerprint()}.{layout.VERSION}"


def test_a_snapshot_recognises_its_log_by_the_last_event(saved: Settings):
    last = snapshot_of(saved, 0, binding(saved)).load().last
    (_, message) = committed_records(saved)
    assert (last.offset, last.key, last.timestamp) == (2, message.key(), message.timestamp()[1])
