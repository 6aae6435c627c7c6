"""Recognizes damage of a replica's file. SQLite finds broken pages; it does not know what we store.

A file is damaged if anything in it can't be understood: its tables, the type of a value, an encoded value, an
index or a sum that disagrees with the rows. Damage is not repaired: the topics are read again.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from typing import Any, TypeVar

import msgspec

from query_api.documents import TitleDocument
from query_api.replica.seals import broken_seals
from query_api.replica.search_check import search_damages
from query_api.replica.search_text import LONGEST_PREFIX
from query_api.replica.tables import INDEXES, TABLES
from schemas.codec import Undecodable, decode
from schemas.events import Event
from schemas.records import event_of
from schemas.row import InventoryRow

T = TypeVar("T")

_decode_title = msgspec.json.Decoder(TitleDocument).decode

_DAMAGE = {
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}  # fmt: skip
"""Primary error codes whose cause is in the file. Others, such as a full disk, leave it sound."""
_SHORT_READ = 522
"""SQLITE_IOERR_SHORT_READ: the file ends too early."""


class Damaged(sqlite3.DatabaseError):
    """The file holds something that this release did not write there."""


@contextmanager
def readable_errors() -> Iterator[None]:
    """Raise Damaged where Python can't decode SQLite's message: it quotes the damaged bytes."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise Damaged(f"it holds text that is not UTF-8: {error}") from error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is damaged; otherwise it may be sound, and the cause is outside."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Not raised by SQLite but by Python, for text that is not UTF-8
        return isinstance(error, Damaged) or str(error).startswith("Could not decode")
    if code == sqlite3.SQLITE_ERROR:
        return str(error).startswith("no such ")
    return code == _SHORT_READ or code & 0xFF in _DAMAGE


def fetch_all(
    db: sqlite3.Connection,
    kind: type[T],
    statement: str,
    parameters: Sequence[object] = (),
    *,
    rows: int | None = None,
) -> list[T]:
    """The rows of a query, each a ``kind``: a tuple type or NamedTuple.

    Raises Damaged for other types, and for another number of rows than ``rows``, unless that is None.
    """
    stored = db.execute(statement, parameters).fetchall()
    if rows is not None and len(stored) != rows:
        raise Damaged(f"a table has {len(stored)} rows, not {rows}")
    try:
        typed: list[T] = msgspec.convert({"rows": stored}, _rows(kind), builtin_types=(bytes,)).rows  # type: ignore[arg-type]
        return typed
    except msgspec.ValidationError as error:
        raise Damaged(f"a stored value has another type: {error}") from error


@cache
def _rows(kind: Any) -> Any:
    """A struct with such rows: msgspec parses a struct once, but other types at every call (2 us, not 10)."""
    return msgspec.defstruct("Rows", [("rows", list[kind])])


def fetch_one(
    db: sqlite3.Connection, kind: type[T], statement: str, parameters: Sequence[object] = ()
) -> T | None:
    """The first row of a query, None if there is none. Raises Damaged for other types."""
    rows = fetch_all(db, kind, statement, parameters)
    return rows[0] if rows else None


def decode_row(value: bytes) -> InventoryRow:
    """A stored row. Raises Damaged."""
    try:
        row = decode(value)
    except Undecodable as error:
        raise Damaged(f"a stored row can't be decoded: {error}") from error
    if not isinstance(row, InventoryRow):
        raise Damaged(f"a {type(row).__name__} is stored as a row")
    return row


def decode_title(body: bytes) -> TitleDocument:
    """A stored document. Raises Damaged."""
    try:
        return _decode_title(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"a stored document can't be decoded: {error}") from error


def decode_event(isbn: int, value: bytes | None) -> Event:
    """A stored event that was decodable when it was stored. Raises Damaged."""
    try:
        return event_of(f"{isbn:013}", value)
    except Undecodable as error:
        raise Damaged(f"a stored event of {isbn:013} can't be decoded: {error}") from error


def require_layout(db: sqlite3.Connection, complete: bool) -> None:
    """Raises Damaged if tables or indexes differ from this release's; ``complete``: with all indexes."""
    expected, actual = _expected_layout(complete), _layout(db)
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise Damaged(f"the table or index {name} is not as this release makes it")


def find_damage(path_uri: str, stopped: Callable[[], bool]) -> str | None:
    """The first damage in the file, None if there is none. Reads all of it, and ends early once ``stopped``.

    Raises sqlite3.Error.
    """
    with readable_errors(), closing(sqlite3.connect(path_uri, uri=True, isolation_level=None)) as db:
        db.set_progress_handler(stopped, 100_000)
        # Checks the inside of the full-text index; writes nothing, although it is an INSERT
        db.execute("INSERT INTO search (search) VALUES ('integrity-check')")
        db.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'search', 'row')")
        # A snapshot: the writer continues beside it
        db.execute("BEGIN")
        try:
            return next(_damages(db), None)
        except Damaged as error:
            return str(error)


def _damages(db: sqlite3.Connection) -> Iterator[str]:
    (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        yield str(verdict)
    for table in _TABLES:
        yield from _wrong_types(db, table)
    for name, statement in _DISAGREEMENTS.items():
        if db.execute(statement).fetchone() != (0,):
            yield f"{name} disagrees with the rows"
    yield from broken_seals(db)
    yield from search_damages(db)
    for isbn, version, body in db.execute("SELECT isbn, version, body FROM titles"):
        title = decode_title(body)
        if (title.isbn, title.version) != (f"{isbn:013}", version):
            yield f"the document of {isbn:013} is another one's"
    for isbn, version, value in db.execute("SELECT isbn, version, row FROM checkpoints"):
        row = decode_row(value)
        if row.isbn != f"{isbn:013}" or row.version > version:
            yield f"the checkpoint of {isbn:013} at {version} is another one's"


def _wrong_types(db: sqlite3.Connection, table: str) -> Iterator[str]:
    conditions = []
    for _, column, declared, required, _, key in db.execute(f"PRAGMA table_info({table})"):
        kinds = ["integer" if declared == "INT" else declared.lower()]
        if not required and not key:
            kinds.append("null")
        conditions.append(f'typeof("{column}") NOT IN ({", ".join(map(repr, kinds))})')
    if db.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(conditions)} LIMIT 1").fetchone():
        yield f"a value in {table} has another type"


_TABLES = (
    "meta", "progress", "titles", "words", "loans", "events", "known", "checkpoints", "unreadable", "totals",
)  # fmt: skip
_DISAGREEMENTS = {
    "the sum of titles": """
        SELECT count(*) FROM totals WHERE (titles, removed, copies, available) IS NOT (
            SELECT ifnull(sum(removed = 0), 0), ifnull(sum(removed = 1), 0), ifnull(sum(quantity), 0),
            ifnull(sum(available), 0) FROM titles)""",
    "the sum of events": "SELECT count(*) FROM totals WHERE events IS NOT (SELECT count(*) FROM events)",
    "the number of sums": "SELECT count(*) - 1 FROM totals",
    "the full-text index": """
        SELECT (SELECT count(*) FROM search_docsize)
            - (SELECT count(*) FROM titles WHERE title_key != '' OR author_key != '')""",
    "an entry of the full-text index": """
        SELECT count(*) FROM (SELECT id FROM search_docsize EXCEPT SELECT isbn FROM titles)""",
    "the list of words": f"""
        SELECT count(*) FROM (
            SELECT term FROM temp.vocabulary WHERE length(term) > {LONGEST_PREFIX}
            EXCEPT SELECT word FROM words)""",
    "the list of all titles": """
        SELECT (SELECT count(*) FROM known) - (SELECT count(DISTINCT isbn) FROM events)
        WHERE NOT EXISTS (SELECT 1 FROM progress WHERE settled = 0)
        UNION ALL SELECT 0 LIMIT 1""",
    "a loan": "SELECT count(*) FROM (SELECT isbn FROM loans EXCEPT SELECT isbn FROM titles)",
}
"""Statements that return 0 in a sound file."""


def _layout(db: sqlite3.Connection) -> dict[str, str | None]:
    entries = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    # SQLite makes the tables inside the full-text index, each release in its own words
    return {name: None if str(name).startswith("search_") else sql for name, sql in entries}


@cache
def _expected_layout(complete: bool) -> dict[str, Any]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(TABLES)
        if complete:
            db.executescript(INDEXES)
        return _layout(db)
