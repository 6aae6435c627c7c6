"""Titles as they are now, with all that a response to GET needs."""

import sqlite3
from collections import OrderedDict

from query_api.following.followed import Followed
from query_api.http.responses import Representation, represent
from query_api.replica.damage import Damaged
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica
from schemas.records import EVENTS

MOST_KEPT = 4_096
"""Titles whose representations are kept: about a kilobyte each."""
_SELECT = "SELECT body FROM titles WHERE isbn = ? AND removed = 0"


class CurrentTitles:
    """Titles of the replica that ``follower`` has, on one thread.

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
        """The position of the title that ``get`` returned last."""

    def get(self, isbn: str) -> Representation | None:
        """The title with the 13 digits ``isbn``; None if it is not there now, or the replica can't answer."""
        replica = self._follower.replica
        if replica is None:
            return None
        if replica is not self._replica:
            self._replica, self._db = replica, replica.reader_until_next_batch()
            self._progress = None
        assert self._db is not None
        while True:
            if not self._db.in_transaction:
                self._begin(replica, self._db)
            assert self._progress is not None
            if not self._progress.complete:
                return None
            if (kept := self._kept.get(isbn)) is not None:
                return kept
            if not EVENTS.is_stream(isbn):
                return None
            row = self._db.execute(_SELECT, (int(isbn),)).fetchone()
            # The writer may have ended the transaction before: the row may then be newer than the position
            if self._db.in_transaction:
                return None if row is None else self._keep(isbn, row[0])

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
