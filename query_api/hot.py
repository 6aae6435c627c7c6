"""``GET /inventory/<13 digits>`` as it is asked most: without parameters, past the framework.

Whatever is not plain (another spelling, a parameter, a problem) is left to the route, which answers the
plain case in the same way: a test compares the two.
"""

import sqlite3

from query_api.progress import Progress
from query_api.reading import Reading
from query_api.replica import Replica
from query_api.responding import SHARED, etag_of, matches

PREFIX = "/inventory/"
_LENGTH = len(PREFIX) + 13
_SELECT = "SELECT body FROM titles WHERE isbn = ? AND removed = 0"

Headers = list[tuple[bytes, bytes]]


class HotTitle:
    """Answers the plain case on one event loop."""

    def __init__(self, reading: Reading, always: Headers) -> None:
        self._reading = reading
        self._always = [(b"cache-control", SHARED.encode()), *always]
        self._json = (b"content-type", b"application/json")
        self._replica: Replica | None = None
        self._db: sqlite3.Connection | None = None
        self._progress: Progress | None = None
        self._position = (b"inventory-position", b"")

    def answer(self, path: str, if_none_match: bytes | None) -> tuple[int, Headers, bytes] | None:
        """Status, headers and body; None: ask the route."""
        if len(path) != _LENGTH or not path.startswith(PREFIX):
            return None
        digits = path[len(PREFIX) :]
        if not (digits.isascii() and digits.isdigit()):
            return None
        replica = self._reading.follower.replica
        if replica is None:
            return None
        # Before the row is read, so that it never promises too much
        progress = replica.progress
        if not progress.complete:
            return None
        if progress is not self._progress:
            self._progress, self._position = progress, (b"inventory-position", str(progress).encode())
        if replica is not self._replica or self._db is None:
            self._replica, self._db = replica, replica.reader()
        found = self._db.execute(_SELECT, (int(digits),)).fetchone()
        if found is None:
            return None
        body: bytes = found[0]
        tag = etag_of(body)
        if if_none_match is not None and matches(if_none_match.decode("latin-1"), tag):
            return 304, [(b"etag", tag.encode()), self._position, *self._always], b""
        headers = [
            self._json, (b"content-length", str(len(body)).encode()), (b"etag", tag.encode()), self._position,
            *self._always,
        ]  # fmt: skip
        return 200, headers, body
