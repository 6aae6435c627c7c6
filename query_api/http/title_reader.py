"""Titles, now and in the past, with all that a response to GET needs."""

import sqlite3
from collections import OrderedDict

from query_api.following.followed import Followed
from query_api.http.responses import Representation, represent
from query_api.replica.damage import Damaged
from query_api.replica.past import version_at
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica
from schemas.records import EVENTS

MOST_KEPT = 4_096
"""Titles whose representations are kept: about a kilobyte each."""
_SELECT = "SELECT body FROM titles WHERE isbn = ? AND removed = 0"


class TitleReader:
    """Reads titles of the replica that ``follower`` has, on one thread, and only what takes no time.

    A representation is kept until its title changes: titles that are read again and again are answered 1.3
    times as often as others, which come from the replica each time. The keeping may go when that difference
    does; ``test_a_cached_response_equals_a_fresh_one`` holds without it.
    """

    def __init__(self, follower: Followed) -> None:
        self._follower = follower
        self._kept: OrderedDict[str, Representation] = OrderedDict()
        self._replica: Replica | None = None
        self._db: sqlite3.Connection | None = None
        """In a read transaction until the next batch is stored. The kept titles are of its data, too."""
        self._progress: Progress | None = None
        self.position = b""
        """The position of the title that was returned last."""

    def now(self, isbn: str) -> Representation | None:
        """The title with the 13 digits ``isbn``; None if it is not there now, or the replica can't answer."""
        while (db := self._transaction()) is not None:
            if (kept := self._kept.get(isbn)) is not None:
                return kept
            if not EVENTS.is_stream(isbn):
                return None
            row = db.execute(_SELECT, (int(isbn),)).fetchone()
            # The writer may have ended the transaction before: the row may then be newer than the position
            if db.in_transaction:
                return None if row is None else self._keep(isbn, row[0])
        return None

    def past(self, isbn: str, version: int | None, at: int | None) -> Representation | None:
        """The title after its event ``version``, or at the time ``at`` (ms).

        None as from ``now``, and if the title's events have to be folded first.
        """
        while (db := self._transaction()) is not None:
            if not EVENTS.is_stream(isbn):
                return None
            last = version_at(db, int(isbn), version=version, at=at)
            if db.in_transaction:
                if self._replica is None or last is None or version not in (None, last):
                    return None
                title = self._replica.past.get(int(isbn), last)
                return None if title is None or title.removed else represent(title.body)
        return None

    def _transaction(self) -> sqlite3.Connection | None:
        """The connection, in a transaction; None if the replica is not complete."""
        replica = self._follower.replica
        if replica is None:
            return None
        if replica is not self._replica or self._db is None:
            self._replica, self._db = replica, replica.reader_until_next_batch()
            self._progress = None
        if not self._db.in_transaction:
            self._begin(replica, self._db)
        return self._db if self._progress is not None and self._progress.complete else None

    def _begin(self, replica: Replica, db: sqlite3.Connection) -> None:
        """Begin the next transaction, and drop the titles that changed since the last one."""
        progress = replica.begin(db)
        changed = None if self._progress is None else replica.changed_since(self._progress)
        if changed is None:
            self._kept.clear()
        else:
            for isbn in changed:
                self._kept.pop(isbn, None)
        self._progress, self.position = progress, str(progress).encode()

    def _keep(self, isbn: str, body: object) -> Representation:
        # By hand: fetch_one takes half as long again as the query
        if not isinstance(body, bytes):
            raise Damaged(f"the document of {isbn} is no document")
        if len(self._kept) >= MOST_KEPT:
            # One at a time: to drop all would hold up the requests of four milliseconds
            self._kept.popitem(last=False)
        kept = self._kept[isbn] = represent(body)
        return kept
