"""The replica: one SQLite file with the table and the history, bound to the topics it was read from."""

import sqlite3
import threading
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from eventstore.topics import Identity
from query_api.replica.progress import Progress
from query_api.replica.tables import FORMAT, INDEXES, TABLES

FILE = "replica.sqlite"
_MOST_LOGGED = 4_000
"""Pages in the write-ahead log at which the writer itself moves them into the file."""
_BATCHES, _FEW = 64, 64
"""Of so many batches it is known which titles they changed, where those are not more than a few."""


class Unusable(Exception):
    """The file is damaged, of another system or of another release: it must be read again."""


class Replica:
    """An open replica. One thread writes; each thread that reads has a connection of its own.

    Losing the file costs a re-read, so commits are not flushed to the disk one by one; the write-ahead log
    keeps rows, history and positions of one batch together whatever happens to the process.
    """

    def __init__(
        self, path: Path, writer: sqlite3.Connection, identity: Identity, progress: Progress
    ) -> None:
        self._path, self._writer = path, writer
        self.identity = identity
        self.progress = progress
        """As it is stored; a reader that takes it before it reads never promises too much."""
        self._changed: deque[tuple[Progress, frozenset[str] | None]] = deque(maxlen=_BATCHES)
        self._local = threading.local()

    def reader(self) -> sqlite3.Connection:
        """This thread's connection for reading."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None,
                check_same_thread=False, cached_statements=64,
            )  # fmt: skip
            connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA cache_size = -8000")
            self._local.connection = connection
        return connection

    @contextmanager
    def batch(self, after: Progress, changed: Collection[str] | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction, at whose end the replica is at ``after``; all or nothing.

        ``changed`` names the titles (ISBNs) whose rows it writes; None: any.
        """
        with self._writer as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            if after.complete and not self.progress.complete:
                for index in INDEXES.split(";"):
                    db.execute(index)
            _store(db, self.progress, after)
        few = None if changed is None or len(changed) > _FEW else frozenset(changed)
        # Before the progress, so that who sees that can learn what changed
        self._changed.append((after, few))
        self.progress = after

    def changed_since(self, progress: Progress) -> set[str] | None:
        """ISBNs of the titles that were written after ``progress``; None: any may have been."""
        found: set[str] = set()
        for after, changed in reversed(tuple(self._changed)):
            if after is progress:
                return found
            if changed is None:
                return None
            found |= changed
        return None

    def checkpoint(self) -> None:
        """Move what the write-ahead log has into the file: flushing takes time that the writer need not wait.

        Raises sqlite3.Error.
        """
        with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def exists(self) -> bool:
        """Whether the file is still there: SQLite goes on without it."""
        return self._path.exists()

    def close(self) -> None:
        """End writing; readers end with their threads."""
        self._writer.close()


def open_replica(folder: Path) -> Replica | None:
    """The replica in ``folder``, or None where there is none. Raises Unusable."""
    path = folder / FILE
    if not path.exists():
        return None
    writer = None
    try:
        writer = _connect(path)
        if (found := writer.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Unusable(f"the replica is damaged: {found}")
        meta = dict(writer.execute("SELECT name, value FROM meta").fetchall())
        if meta.get("format") != FORMAT:
            raise Unusable(f"the replica is of another release ({meta.get('format')}, not {FORMAT})")
        identity = Identity(meta["cluster"], meta["events"], meta["changelog"])
        return Replica(path, writer, identity, _load(writer))
    except (sqlite3.Error, KeyError, UnicodeDecodeError) as error:
        if writer is not None:
            writer.close()
        raise Unusable(f"the replica is damaged: {error}") from error
    except Unusable:
        if writer is not None:
            writer.close()
        raise


def create_replica(folder: Path, identity: Identity, partitions: int) -> Replica:
    """An empty replica in ``folder``, in place of what was there."""
    delete_replica(folder)
    path = folder / FILE
    writer = _connect(path)
    # In one transaction: a file that exists and has tables has all of them
    writer.executescript(f"BEGIN;{TABLES}")
    said = {"format": FORMAT} | {name: getattr(identity, name) for name in identity.__struct_fields__}
    writer.executemany("INSERT INTO meta VALUES (?, ?)", said.items())
    empty = Progress.none(partitions)
    writer.executemany(
        'INSERT INTO progress (partition, rows, history, "table", settled) VALUES (?, 0, 0, 0, 0)',
        ((p,) for p in range(partitions)),
    )
    writer.execute("COMMIT")
    return Replica(path, writer, identity, empty)


def delete_replica(folder: Path) -> None:
    """Remove the replica's files; whoever reads in them still can."""
    for ending in ("", "-wal", "-shm"):
        (folder / f"{FILE}{ending}").unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -8000")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # Only where the follower's regular checkpoints can't keep up
    connection.execute(f"PRAGMA wal_autocheckpoint = {_MOST_LOGGED}")
    return connection


def _load(db: sqlite3.Connection) -> Progress:
    found = db.execute(
        'SELECT partition, rows, history, "table", settled FROM progress ORDER BY 1'
    ).fetchall()
    partitions, rows, history, table, settled = zip(*found, strict=True) if found else ((),) * 5
    if partitions != tuple(range(len(partitions))) or not partitions:
        raise Unusable(f"the replica is damaged: it knows the partitions {partitions}")
    return Progress(rows, history, table, tuple(bool(s) for s in settled))


def _store(db: sqlite3.Connection, before: Progress, after: Progress) -> None:
    was = list(zip(before.rows, before.history, before.table, before.settled, strict=True))
    now = list(zip(after.rows, after.history, after.table, after.settled, strict=True))
    db.executemany(
        'UPDATE progress SET rows = ?, history = ?, "table" = ?, settled = ? WHERE partition = ?',
        [(*new, p) for p, (old, new) in enumerate(zip(was, now, strict=True)) if old != new],
    )
