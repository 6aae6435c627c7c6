"""Every kind of damage to a replica's file is noticed: on opening it, on checking it, or on reading it."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from eventstore.table_position import TablePosition
from query_api.http.change_feed import change_events
from query_api.queries.history import events_of
from query_api.queries.loans import LoanFilters, find_loans
from query_api.queries.page import TitleFilters
from query_api.queries.past import titles_at
from query_api.queries.titles import find_titles, title_json
from query_api.replica.damage import Damaged, is_damage
from query_api.replica.events import put_unreadable
from query_api.replica.past import PastTitles, row_at
from query_api.replica.replica import FILE, Replica, Unusable, create_replica, open_replica
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from tests.support.query_api.api_without_kafka import IDENTITY, ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START

A, B = ISBNS[:2]
UNINDEX = (
    "INSERT INTO search (search, rowid, title, author) SELECT 'delete', isbn, title_key, author_key "
    f"FROM titles WHERE isbn IN ({int(A)}, {int(B)})"
)
"""Takes both out of the full-text index."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed replica: titles, a loan, a title with a checkpoint."""
    folder = tmp_path_factory.mktemp("sound")
    events: list[Event] = [BookAdded(isbn, f"Title {isbn}", "An Author", 3, START) for isbn in ISBNS]
    for n in range(60):
        events += [BookBorrowed(A, "ann", START + n, START + n), BookReturned(A, "ann", START + n)]
    events.append(BookBorrowed(B, "bob", START, START + 9))
    stock = ApiWithoutKafka(folder, events)
    stock.replica.checkpoint()
    stock.replica.close()
    return folder


@pytest.fixture
def folder(tmp_path: Path, sound: Path) -> Path:
    """A copy of it."""
    shutil.copy(sound / FILE, tmp_path / FILE)
    return tmp_path


def execute(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)

    return damage


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("not a database\n" * 1000)


def overwrite_a_page(path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2 // 4096 * 4096
    path.write_bytes(content[:middle] + os.urandom(4096) + content[middle + 4096 :])


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("x")


def without_index(name: str, statement: str) -> Callable[[Path], None]:
    """Change the table while SQLite does not know that it has the index."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            entry = db.execute("SELECT * FROM sqlite_master WHERE name = ?", (name,)).fetchone()
            db.execute("PRAGMA writable_schema = ON")
            db.execute("DELETE FROM sqlite_master WHERE name = ?", (name,))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(statement)
            db.execute("PRAGMA writable_schema = ON")
            db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", entry)

    return damage


def folder_as_log(path: Path) -> None:
    path.with_name(f"{FILE}-wal").mkdir()


def foreign_log(path: Path) -> None:
    for ending in ("-wal", "-shm"):
        path.with_name(f"{FILE}{ending}").write_bytes(os.urandom(100_000))


OPENING = {
    "an empty file": empty,
    "another file": write_text,
    "half a file": truncate,
    "a folder": replace_by_a_folder,
    "a folder in place of the write-ahead log": folder_as_log,
    "a missing table": execute("DROP TABLE checkpoints"),
    "a missing index": execute("DROP INDEX titles_by_title"),
    "a missing full-text index": execute("DROP TABLE search"),
    "a missing part of the full-text index": execute(
        "PRAGMA writable_schema = ON", "DELETE FROM sqlite_master WHERE name = 'search_idx'"
    ),
    "another table": execute("CREATE TABLE other (x)"),
    "another column": execute("ALTER TABLE titles ADD COLUMN shelf TEXT"),
    "a renamed column": execute("ALTER TABLE events RENAME COLUMN at TO time"),
    "a trigger": execute("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM loans; END"),
    "no format": execute("DELETE FROM meta WHERE name = 'format'"),
    "no cluster": execute("DELETE FROM meta WHERE name = 'cluster'"),
    "a cluster of another type": execute("UPDATE meta SET value = x'00' WHERE name = 'cluster'"),
    "text that is not UTF-8": execute("UPDATE meta SET value = CAST(x'FF' AS TEXT) WHERE name = 'cluster'"),
    "no progress": execute("DELETE FROM progress"),
    "a partition without progress": execute("DELETE FROM progress WHERE partition = 1"),
    "progress of another type": execute("UPDATE progress SET rows = 'many' WHERE partition = 1"),
    "negative progress": execute("UPDATE progress SET history = -1"),
    "settled twice": execute("UPDATE progress SET settled = 2"),
}
CHECKING = {
    "an index that misses an entry": without_index(
        "titles_by_title", f"UPDATE titles SET title_key = 'other' WHERE isbn = {int(A)}"
    ),
    "an index with an entry too many": without_index(
        "events_by_time", f"DELETE FROM events WHERE isbn = {int(B)}"
    ),
    "a version of another type": execute("UPDATE titles SET version = 'new'"),
    "a body of another type": execute("UPDATE titles SET body = 'text'"),
    "a time of another type": execute("UPDATE events SET at = x'00'"),
    "a loan of another type": execute("UPDATE loans SET due_at = 'soon'"),
    "a body that is no JSON": execute("UPDATE titles SET body = x'7b'"),
    "a body that is not UTF-8": execute("UPDATE titles SET body = x'22ff22'"),
    "a body without its fields": execute("UPDATE titles SET body = CAST('{}' AS BLOB)"),
    "another title's body": execute(
        f"UPDATE titles SET body = (SELECT body FROM titles WHERE isbn = {int(A)}) WHERE isbn = {int(B)}"
    ),
    "a checkpoint that can't be decoded": execute("UPDATE checkpoints SET row = x'00'"),
    "a checkpoint that is no row": execute(
        f"UPDATE checkpoints SET row = x'{encode(TablePosition('s', 1)).hex()}'"
    ),
    "another title's checkpoint": execute(f"UPDATE checkpoints SET isbn = {int(B)}"),
    "a word that the full-text index misses": execute(f"DELETE FROM search_docsize WHERE id = {int(A)}"),
    "another word in the full-text index": execute(
        UNINDEX,
        "INSERT INTO search (rowid, title, author) SELECT isbn, replace(title_key, 'title', 'tilte'), "
        f"author_key FROM titles WHERE isbn IN ({int(A)}, {int(B)})",
        "INSERT INTO words VALUES ('tilte')",
    ),
    "another title's words in the full-text index": execute(
        UNINDEX,
        f"INSERT INTO search (rowid, title) SELECT isbn, title_key FROM titles WHERE isbn = {int(A)}",
        "INSERT INTO search (rowid, title, author) SELECT isbn, title_key, author_key || ' ' || author_key "
        f"FROM titles WHERE isbn = {int(B)}",
    ),
    "a word that the list of words misses": execute("DELETE FROM words"),
    "a full-text index with damaged pages": execute("UPDATE search_data SET block = x'00' WHERE id > 10"),
    "a lost title": execute(f"DELETE FROM titles WHERE isbn = {int(B)}"),
    "a lost event": execute(f"DELETE FROM events WHERE isbn = {int(B)} AND version = 2"),
    "a title that the list misses": execute(f"DELETE FROM known WHERE isbn = {int(B)}"),
    "a wrong sum": execute("UPDATE totals SET copies = copies + 1"),
    "no sums": execute("DELETE FROM totals"),
    "sums twice": execute("INSERT INTO totals SELECT * FROM totals"),
}
READING = {
    name: CHECKING[name]
    for name in (
        "a version of another type", "a body of another type", "a time of another type",
        "a loan of another type", "a body that is no JSON", "a body that is not UTF-8",
        "a checkpoint that can't be decoded", "a checkpoint that is no row",
        "a full-text index with damaged pages",
    )
} | {
    "an event that can't be decoded": execute("UPDATE events SET value = x'00' WHERE version = 2"),
    "an event that is no event": execute(
        f"UPDATE events SET value = x'{encode(TablePosition('s', 1)).hex()}' WHERE version = 2"
    ),
    "another title's event": execute(
        f"UPDATE events SET value = (SELECT value FROM events WHERE isbn = {int(A)} AND version = 1) "
        f"WHERE isbn = {int(B)} AND version = 1"
    ),
    "a table that is gone": execute("DROP TABLE known"),
}  # fmt: skip


def cases(damages: dict[str, Callable[[Path], None]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("damage", damages.values(), ids=damages.keys())


@cases(OPENING)
def test_a_file_that_can_not_be_understood_is_not_opened(folder: Path, damage: Callable[[Path], None]):
    damage(folder / FILE)
    with pytest.raises(Unusable, match=r"damaged|another release|can't be used"):
        open_replica(folder)


def damage_of(replica: Replica) -> str | None:
    try:
        return replica.find_damage(lambda: False)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return str(error)
        raise


@cases(CHECKING)
def test_the_check_finds_what_opening_does_not_see(folder: Path, damage: Callable[[Path], None]):
    damage(folder / FILE)
    replica = open_replica(folder)
    assert replica is not None
    assert damage_of(replica)


def test_a_write_ahead_log_of_something_else_changes_nothing(folder: Path):
    foreign_log(folder / FILE)
    replica = open_replica(folder)
    assert replica is not None
    assert damage_of(replica) is None
    assert title_json(replica.connect(), int(A)) is not None


@cases(OPENING)
def test_a_file_that_was_not_opened_can_be_replaced(folder: Path, damage: Callable[[Path], None]):
    damage(folder / FILE)
    create_replica(folder, IDENTITY, 2).close()
    replica = open_replica(folder)
    assert replica is not None
    assert damage_of(replica) is None


def test_a_sound_file_has_no_damage(folder: Path):
    replica = open_replica(folder)
    assert replica is not None
    assert damage_of(replica) is None


def read_everything(db: sqlite3.Connection) -> Iterator[object]:
    """Every query of the API."""
    for isbn in map(int, ISBNS):
        yield title_json(db, isbn)
        yield events_of(db, isbn, 500, 0)
        yield from [row_at(db, isbn, version=version) for version in (1, 2, 99, 101, 121)]
    for sort in ("isbn", "title", "-author", "updated_at"):
        yield find_titles(db, TitleFilters(sort=sort), 500, None)
    yield find_titles(db, TitleFilters("title author"), 500, None)
    yield find_loans(db, LoanFilters(), 500, None, START)
    yield titles_at(db, PastTitles().states, TitleFilters(at=START + 50), 500, None)


@cases(READING)
def test_a_query_reports_damage_instead_of_an_answer_or_a_crash(folder: Path, damage: Callable[[Path], None]):
    replica = open_replica(folder)
    assert replica is not None
    damage(folder / FILE)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        list(read_everything(replica.connect()))
    assert is_damage(caught.value)


def test_a_sound_file_answers_every_query(folder: Path):
    replica = open_replica(folder)
    assert replica is not None
    assert all(answer is not None for answer in read_everything(replica.connect()))


def test_a_damaged_replica_is_rebuilt_and_the_request_may_be_repeated(tmp_path: Path):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(A, "T", "A", 1, START)])
    execute("UPDATE titles SET updated_at = 'now'")(tmp_path / FILE)
    answer = stock.ask("/inventory?sort=updated_at&q=t")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "damaged" in (stock.follower.file.rebuild_reason or "")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN])
def test_a_cause_outside_the_file_is_no_damage(code: int):
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = code
    assert not is_damage(error)


def test_a_locked_file_is_sound(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            open_replica(folder)
    assert open_replica(folder) is not None


def test_values_that_python_refuses_are_damage():
    assert is_damage(Damaged("a stored value has another type"))


@pytest.mark.parametrize(
    ("damage", "path"),
    [
        ("DELETE FROM totals", "/stats"),
        ("UPDATE totals SET copies = 'some'", "/stats"),
        ("UPDATE unreadable SET stream = x'00'", "/stats"),
        ("DELETE FROM totals", "/metrics"),
        ("UPDATE titles SET body = 'text'", f"/inventory/{A}"),
        ("UPDATE events SET value = x'00'", f"/inventory/{A}/history"),
        ("UPDATE events SET value = x'00'", f"/inventory/{A}?version=1"),
        ("DROP TABLE known", "/inventory?at=2024-05-01T12:00:00Z"),
        ("UPDATE loans SET due_at = 'soon'", "/loans"),
    ],
)
def test_a_route_that_meets_damage_answers_503_and_requests_a_rebuild(tmp_path: Path, damage: str, path: str):
    stock = ApiWithoutKafka(
        tmp_path, [BookAdded(A, "T", "A", 1, START), BookBorrowed(A, "ann", START, START)]
    )
    with stock.replica.batch(stock.replica.progress) as db:
        put_unreadable(db, "events", 0, 5, "no key")
    execute(damage)(tmp_path / FILE)
    answer = stock.ask(path)
    assert answer.status_code == 503, answer.text
    assert "damaged" in (stock.follower.file.rebuild_reason or "")


def test_a_stream_of_changes_that_meets_damage_ends_and_requests_a_rebuild(tmp_path: Path):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(A, "T", "A", 1, START)])
    execute("UPDATE events SET at = x'00'")(tmp_path / FILE)

    async def read() -> list[bytes]:
        return [event async for event in change_events(stock.reading, stock.replica, {})]

    assert len(asyncio.run(read())) == 1
    assert "damaged" in (stock.follower.file.rebuild_reason or "")
