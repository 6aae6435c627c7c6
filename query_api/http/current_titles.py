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
        self._progress: Progress | None = None
        self.position = b""
        """The position of the title that ``get`` returned last."""

    def get(self, isbn: str) -> Representation | None:
        """The title with the 13 digits ``isbn``; None if it is not there now, or the replica can't answer."""
        replica = self._follower.replica
        if replica is None:
            return None
        # Before the row is read: the position must never promise more than the row has
        progress = replica.progress
        if progress is not self._progress and not self._advance(replica, progress):
            return None
        return self._kept.get(isbn) or self._read(isbn)

    def _advance(self, replica: Replica, progress: Progress) -> bool:
        """Drop the titles that changed up to ``progress``; whether the replica can answer."""
        if not progress.complete:
            return False
        changed = None
        if replica is self._replica and self._progress is not None:
            changed = replica.changed_since(self._progress)
        else:
            self._replica, self._db = replica, replica.reader_until_next_batch()
        if changed is None:
            self._kept.clear()
        else:
            for isbn in changed:
                self._kept.pop(isbn, None)
        self._progress, self.position = progress, str(progress).encode()
        return True

    def _read(self, isbn: str) -> Representation | None:
        if not EVENTS.is_stream(isbn):
            return None
        assert self._db is not None
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        row = self._db.execute(_SELECT, (int(isbn),)).fetchone()
        if row is None:
            return None
        body = row[0]
        # By hand: fetch_one takes half as long again as the query
        if not isinstance(body, bytes):
            raise Damaged(f"the document of {isbn} is no document")
        if len(self._kept) >= MOST_KEPT:
            # One at a time: to drop all would hold up the requests of four milliseconds
            self._kept.popitem(last=False)
        kept = self._kept[isbn] = represent(body)
        return kept
