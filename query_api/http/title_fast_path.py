"""``GET /inventory/<13 digits>`` as it is asked most: without parameters, past the framework.

Whatever is not plain (another spelling, a parameter, a problem) is left to the route, which answers the
plain case in the same way: a test compares the two.
"""

import sqlite3
from typing import NamedTuple

from query_api.http.freshness import Reading
from query_api.http.responses import SHARED, etag_of, matches
from query_api.replica.progress import Progress
from query_api.replica.replica import Replica

PREFIX = "/inventory/"
_LENGTH = len(PREFIX) + 13
_SELECT = "SELECT body FROM titles WHERE isbn = ? AND removed = 0"
MOST_KEPT = 4_096
"""Titles whose answers are kept, about a kilobyte each."""

Headers = list[tuple[bytes, bytes]]


class Kept(NamedTuple):
    """A title's answer, but for the headers that all have."""

    tag: str
    headers: Headers
    body: bytes


class HotTitle:
    """Answers the plain case on one event loop, and keeps what was asked until the title changes."""

    def __init__(self, reading: Reading, always: Headers) -> None:
        self._follower = reading.follower
        self._always = [(b"cache-control", SHARED.encode()), *always]
        self._kept: dict[str, Kept] = {}
        self._replica: Replica | None = None
        self._db: sqlite3.Connection | None = None
        self._progress: Progress | None = None
        self._position = (b"inventory-position", b"")

    def answer(self, path: str, if_none_match: bytes | None) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body; None: ask the route."""
        replica = self._follower.replica
        if replica is None:
            return None
        # Before the row is read, so that it never promises too much
        progress = replica.progress
        if progress is not self._progress and not self._come_to(replica, progress):
            return None
        kept = self._kept.get(path) or self._read(path)
        if kept is None:
            return None
        if if_none_match is not None and matches(if_none_match.decode("latin-1"), kept.tag):
            return 304, [(b"etag", kept.tag.encode()), self._position, *self._always], b""
        return 200, [*kept.headers, self._position, *self._always], kept.body

    def _come_to(self, replica: Replica, progress: Progress) -> bool:
        """Forget what changed on the way to ``progress``; whether there is an answer at all."""
        if not progress.complete:
            return False
        changed = None
        if replica is self._replica and self._progress is not None:
            changed = replica.changed_since(self._progress)
        else:
            self._replica, self._db = replica, replica.reader()
        if changed is None:
            self._kept.clear()
        else:
            for isbn in changed:
                self._kept.pop(PREFIX + isbn, None)
        self._progress, self._position = progress, (b"inventory-position", str(progress).encode())
        return True

    def _read(self, path: str) -> Kept | None:
        digits = path[len(PREFIX) :]
        if not (len(path) == _LENGTH and path.startswith(PREFIX) and digits.isascii() and digits.isdigit()):
            return None
        assert self._db is not None
        found = self._db.execute(_SELECT, (int(digits),)).fetchone()
        if found is None:
            return None
        body: bytes = found[0]
        tag = etag_of(body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"etag", tag.encode()),
        ]
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        kept = self._kept[path] = Kept(tag, headers, body)
        return kept
