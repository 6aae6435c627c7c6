"""An answer's position is that of its data, whatever is stored while it is made."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from query_api.http.inventory_reads import read_past_title
from query_api.http.responses import Representation
from query_api.http.title_reader import TitleReader
from query_api.queries.titles import title_json
from query_api.replica.progress import Progress
from query_api.replica.replica import FILE, Replica, create_replica, open_replica
from query_api.replica.rows import put_rows
from schemas.events import BookAdded, BookBorrowed, CopiesAdded, Event
from schemas.row import InventoryRow
from tests.support.query_api.api_without_kafka import IDENTITY, ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START

A = ISBNS[0]
STOCK: list[Event] = [BookAdded(A, "River", "Author", 5, START), BookBorrowed(A, "ann", START + 9, START + 1)]


def progress_at(number: int) -> Progress:
    return Progress((number,), (number,), (number,), (True,))


def store(replica: Replica, number: int) -> None:
    """Store version ``number`` of a title as the event with the offset before."""
    with replica.batch(progress_at(number), [A]) as db:
        put_rows(db, [InventoryRow(A, "Title", "Author", 5, 5, (), False, number, START)])


def read_version(replica: Replica) -> tuple[int, int]:
    """The progress of a read, and the version that it has."""
    with replica.read() as read:
        found = title_json(read.db, int(A))
        return read.progress.table[0], 0 if found is None else found[2]


class Watched(Replica):
    """Calls ``watch`` after each commit, before its progress is published."""

    watch: Callable[[], None]

    def __setattr__(self, name: str, value: object) -> None:
        if name == "progress":
            self.watch()
        super().__setattr__(name, value)


def test_a_read_has_exactly_its_progress_before_and_after_a_commit(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    seen = list[tuple[int, int]]()
    store(replica, 1)
    with replica.batch(progress_at(2), [A]) as db:
        put_rows(db, [InventoryRow(A, "Title", "Author", 5, 5, (), False, 2, START)])
        assert read_version(replica) == (1, 1)
    replica.__class__ = Watched
    replica.watch = lambda: seen.append(read_version(replica))  # type: ignore[attr-defined]
    store(replica, 3)
    assert seen == [(3, 3)]


def test_a_read_lasts_while_batches_are_stored(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    store(replica, 1)
    with replica.read() as read:
        for number in range(2, 100):
            store(replica, number)
        found = title_json(read.db, int(A))
        assert found is not None
        assert (read.progress, found[2]) == (progress_at(1), 1)
    assert read_version(replica) == (99, 99)


def test_a_reopened_replica_and_one_of_an_earlier_release_have_their_progress(tmp_path: Path):
    replica = create_replica(tmp_path, IDENTITY, 1)
    for number in (1, 2):
        store(replica, number)
    replica.close()
    for number in (2, 3):
        reopened = open_replica(tmp_path)
        assert reopened is not None
        assert read_version(reopened) == (number, number)
        store(reopened, number + 1)
        assert read_version(reopened) == (number + 1, number + 1)
        reopened.close()
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            file.execute("PRAGMA user_version = 0")


def read_now(api: ApiWithoutKafka, titles: TitleReader) -> Representation | None:
    return titles.now(A)


def read_past(api: ApiWithoutKafka, titles: TitleReader) -> Representation | None:
    """The title at a time in which each batch changes it."""
    if (found := titles.past(A, None, START)) is not None:
        return found
    with api.replica.read() as read:
        read_past_title(read, int(A), None, START)
    return titles.past(A, None, START)


@pytest.mark.parametrize("read", [read_now, read_past])
def test_a_title_has_the_position_of_the_answer(
    tmp_path: Path, read: Callable[[ApiWithoutKafka, TitleReader], Representation | None]
):
    api = ApiWithoutKafka(tmp_path, STOCK)
    titles = TitleReader(api.follower)
    answered = list[tuple[bytes, bytes]]()

    def get() -> None:
        found = read(api, titles)
        assert found is not None
        answered.append((titles.position, found.body))

    api.replica.__class__ = Watched
    api.replica.watch = get  # type: ignore[attr-defined]
    for _ in range(3):
        get()
        api.put(CopiesAdded(A, 1, START))
    get()
    by_position = dict(answered)
    assert len(by_position) == len(set(by_position.values())) == 4
    assert all(by_position[position] == body for position, body in answered)


@pytest.mark.parametrize(
    "path",
    [
        f"/inventory/{A[:3]}-{A[3:]}",
        f"/inventory/{A[:3]}-{A[3:]}?version=2",
        f"/inventory/{A}/history",
        "/inventory",
        "/inventory?q=river",
        "/inventory?available=true",
        "/loans",
        "/events",
        "/changes?from=2000-01-01T00:00:00Z",
        "/diff",
        "/stats",
    ],
)
def test_a_batch_that_is_stored_meanwhile_is_in_neither_position_nor_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
):
    before = ApiWithoutKafka(tmp_path / "idle", STOCK).ask(path)
    assert before.status_code == 200
    api = ApiWithoutKafka(tmp_path / "busy", STOCK)
    stored = list[str]()

    def store_once(statement: str) -> None:
        if statement.startswith(("SELECT", "WITH")) and not stored:
            stored.append(statement)
            api.put(BookBorrowed(A, "bob", START + 9, START + 2))

    connect = sqlite3.connect

    def traced(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(store_once)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    meanwhile = api.ask(path)
    assert stored
    position = "inventory-position"
    assert (meanwhile.content, meanwhile.headers[position]) == (before.content, before.headers[position])
    assert api.ask(path).headers[position] != before.headers[position]
