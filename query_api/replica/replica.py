"""The replica: one SQLite file with the table and the history, bound to the topics it was read from."""

import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from eventstore.topics import Identity
from foundation.memory import return_free_memory
from query_api.replica import first_read
from query_api.replica.damage import (
    Damaged,
    fetch_all,
    find_damage,
    is_damage,
    readable_errors,
    require_layout,
)
from query_api.replica.past import PastTitles
from query_api.replica.progress import FOREIGN, Progress
from query_api.replica.seals import seal, sealed
from query_api.replica.tables import FORMAT, TABLES

FILE = "replica.sqlite"
_MAX_WAL_PAGES = 4_000
"""At this size of the write-ahead log, the writer itself copies it into the file."""
_REMEMBERED_BATCHES = 64
"""Batches whose changed titles are kept in memory."""
_MAX_REMEMBERED_TITLES = 64
"""A batch that changed more titles counts as changing all."""
_GENERATIONS = 2**31
"""SQLite's ``user_version`` has as many values."""

_INACCESSIBLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH}
"""Error codes on opening that stay until the files are replaced, such as other permissions."""

_Offset = Annotated[int, Meta(ge=0)]


class _StoredProgress(NamedTuple):
    partition: int
    rows: _Offset
    history: _Offset
    table: Annotated[int, Meta(ge=FOREIGN)]
    settled: Literal[0, 1]
    seal: int


class _Stored(NamedTuple):
    """The progress after a batch, and the ISBNs of the titles that it changed; None: any."""

    progress: Progress
    changed: frozenset[str] | None


class Unusable(Exception):
    """The file is damaged or was written by another release; the topics must be read again."""


class Read(NamedTuple):
    """A read transaction: the replica as it was after one batch. For one thread at a time."""

    db: sqlite3.Connection
    progress: Progress
    """Of the data that ``db`` has, neither less nor more."""
    past: PastTitles


class Replica:
    """An open replica. One thread writes; those that read have connections of their own.

    Commits are not flushed to disk one by one: a lost file costs a re-read, nothing else. The write-ahead log
    keeps rows, history and positions of a batch together whatever happens to the process.
    """

    def __init__(
        self, path: Path, writer: sqlite3.Connection, identity: Identity, progress: Progress
    ) -> None:
        self._path, self._writer = path, writer
        self.identity = identity
        self.progress = progress
        """As stored. What is read next has it, and perhaps more; ``read`` says how much."""
        self.past = PastTitles()
        """Past states of its titles."""
        # The file has the number of its last batch: a read transaction learns from it how far its data goes
        self._generation = _generation(writer)
        self._batches = {self._generation: _Stored(progress, None)}
        self._idle: list[sqlite3.Connection] = []
        self._ended_by_writer: list[sqlite3.Connection] = []

    @contextmanager
    def read(self) -> Iterator[Read]:
        """A read transaction while the block lasts, for answers that say how far they go.

        Raises sqlite3.Error.
        """
        try:
            db = self._idle.pop()
        except IndexError:
            db = self.connect()
        try:
            yield Read(db, self.begin(db), self.past)
        except Exception:
            self._end(db)
            raise
        # After a cancellation a thread may still read from the connection: nobody gets it again
        self._end(db)

    def _end(self, db: sqlite3.Connection) -> None:
        db.rollback()
        self._idle.append(db)

    def begin(self, db: sqlite3.Connection) -> Progress:
        """Begin a read transaction on a connection; the progress of what it will read.

        Raises sqlite3.Error, and begins none.
        """
        db.execute("BEGIN")
        try:
            stored = self._batches.get(_generation(db))
            return _load(db) if stored is None else stored.progress
        except sqlite3.Error:
            db.rollback()
            raise

    def reader_until_next_batch(self) -> sqlite3.Connection:
        """A new connection for reading, whose transaction ends when the next batch is stored.

        To begin and end one for a row costs more than to read it. An open one keeps the write-ahead log from
        being reused; therefore the writer ends it, not the reader, which may have nothing to read any more.
        """
        connection = self.connect()
        self._ended_by_writer.append(connection)
        return connection

    def _end_reads(self) -> None:
        for connection in self._ended_by_writer:
            connection.commit()

    def connect(self) -> sqlite3.Connection:
        """A new connection for reading."""
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None,
            check_same_thread=False, cached_statements=64,
        )  # fmt: skip
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA cache_size = -8000")
        return connection

    @contextmanager
    def batch(self, after: Progress, changed: Collection[str] | None = None) -> Iterator[sqlite3.Connection]:
        """A transaction that brings the replica to ``after``.

        ``changed``: ISBNs of the titles whose rows it writes; None: any.
        """
        # SQLite begins the log anew only while nobody reads from it
        self._end_reads()
        with self._writer as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            if after.complete and not self.progress.complete:
                first_read.finish(db)
                # It sorted all events
                return_free_memory()
            _store(db, self.progress, after)
            generation = (self._generation + 1) % _GENERATIONS
            db.execute(f"PRAGMA user_version = {generation}")
            # Before the commit: whoever reads the new rows finds their progress and what changed
            few = None if changed is None or len(changed) > _MAX_REMEMBERED_TITLES else frozenset(changed)
            self._batches[generation] = _Stored(after, few)
        # Before the progress: a reader of the new one must find its rows
        self._end_reads()
        self._generation, self.progress = generation, after
        self._batches.pop((generation - _REMEMBERED_BATCHES) % _GENERATIONS, None)

    def changed_since(self, progress: Progress) -> set[str] | None:
        """ISBNs of the titles that were written after ``progress``; None: any may have been."""
        isbns: set[str] = set()
        for stored in reversed(tuple(self._batches.values())):
            if stored.progress is progress:
                return isbns
            if stored.changed is None:
                return None
            isbns |= stored.changed
        return None

    def checkpoint(self) -> None:
        """Copy the write-ahead log into the file. Called beside the writer, which need not wait for the disk.

        Raises sqlite3.Error.
        """
        path = f"{self._path.absolute().as_uri()}?mode=rw"
        with readable_errors(), closing(sqlite3.connect(path, uri=True)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def find_damage(self, stopped: Callable[[], bool]) -> str | None:
        """The first damage in the file; None: none, or ``stopped``. Takes 10 to 30 µs an event.

        Raises sqlite3.Error.
        """
        try:
            return find_damage(f"{self._path.absolute().as_uri()}?mode=rw", stopped)
        finally:
            # It takes a hundred megabytes for sorting and for what it compares, once in a process's life
            return_free_memory()

    def exists(self) -> bool:
        """Whether the file still exists: SQLite does not notice that it was deleted."""
        return self._path.exists()

    def close(self) -> None:
        """Close the connections of the writer and of ended reads; others close once nobody has them."""
        while self._idle:
            self._idle.pop().close()
        self._writer.close()


def open_replica(folder: Path) -> Replica | None:
    """The replica in ``folder``, or None if there is none.

    Makes the quick checks; ``Replica.find_damage`` makes the others. Raises Unusable, and sqlite3.Error
    for a cause outside the file.
    """
    path = folder / FILE
    if not path.exists():
        return None
    writer = None
    try:
        with readable_errors():
            writer = _connect(path)
        if (verdict := writer.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Damaged(str(verdict))
        meta = dict(fetch_all(writer, tuple[str, str], "SELECT name, value FROM meta"))
        if meta.get("format") != FORMAT:
            raise Unusable(f"it is of another release ({meta.get('format')}, not {FORMAT})")
        progress = _load(writer)
        require_layout(writer, progress.complete)
        identity = Identity(meta["cluster"], meta["events"], meta["changelog"])
        return Replica(path, writer, identity, progress)
    except BaseException as error:
        if writer is not None:
            writer.close()
        if isinstance(error, KeyError) or (isinstance(error, sqlite3.Error) and is_damage(error)):
            raise Unusable(f"it is damaged: {error}") from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _INACCESSIBLE:
            raise Unusable(f"it can't be used: {error}") from error
        raise


def create_replica(folder: Path, identity: Identity, partitions: int) -> Replica:
    """An empty replica in ``folder``, in place of the one that was there."""
    delete_replica(folder)
    path = folder / FILE
    writer = _connect(path)
    # In one transaction: a file with any table has all of them
    writer.executescript(f"BEGIN;{TABLES}")
    meta = {"format": FORMAT} | {name: getattr(identity, name) for name in identity.__struct_fields__}
    writer.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    empty = Progress.none(partitions)
    writer.executemany(
        "INSERT INTO progress VALUES (?, ?, ?, ?, ?, ?)",
        (sealed((p, 0, 0, 0, 0)) for p in range(partitions)),
    )
    writer.execute("COMMIT")
    return Replica(path, writer, identity, empty)


def delete_replica(folder: Path) -> None:
    """Remove the replica's files; open connections still read them."""
    for ending in ("", "-wal", "-shm"):
        path = folder / f"{FILE}{ending}"
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -8000")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # A limit for when the follower's regular checkpoints can't keep up
    connection.execute(f"PRAGMA wal_autocheckpoint = {_MAX_WAL_PAGES}")
    return connection


def _generation(db: sqlite3.Connection) -> int:
    generation: int = db.execute("PRAGMA user_version").fetchone()[0]
    return generation


def _load(db: sqlite3.Connection) -> Progress:
    stored = fetch_all(
        db,
        _StoredProgress,
        'SELECT partition, rows, history, "table", settled, seal FROM progress ORDER BY 1',
    )
    if not stored or [part.partition for part in stored] != list(range(len(stored))):
        raise Damaged(f"it has the partitions {[part.partition for part in stored]}")
    # A progress that is too high would skip records
    if any(part.seal != seal(part[:-1]) for part in stored):
        raise Damaged("its progress does not match the checksum")
    return Progress(
        tuple(part.rows for part in stored),
        tuple(part.history for part in stored),
        tuple(part.table for part in stored),
        tuple(part.settled == 1 for part in stored),
    )


def _store(db: sqlite3.Connection, before: Progress, after: Progress) -> None:
    was = zip(before.rows, before.history, before.table, before.settled, strict=True)
    now = zip(after.rows, after.history, after.table, after.settled, strict=True)
    db.executemany(
        "REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?)",
        [
            sealed((p, *new[:-1], int(new[-1])))
            for p, (old, new) in enumerate(zip(was, now, strict=True))
            if old != new
        ],
    )
