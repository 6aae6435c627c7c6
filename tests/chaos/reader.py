"""A client's reads of titles, each after everything that the client has written or been shown before."""

import http.client
import json
import random
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from eventstore.positions import format_positions, parse_positions
from tests.chaos.history import Read, Recorder

WAIT_S = 5
"""How long a query API may wait for the position."""
LIMIT_S = 20.0
"""For an answer of a query API, which may be frozen."""


class Reader:
    """Asks one of several query APIs at random."""

    def __init__(
        self, client: str, apis: Sequence[str], recorder: Recorder, randomness: random.Random
    ) -> None:
        self._client, self._apis, self._recorder, self._random = client, apis, recorder, randomness
        self._seen: dict[int, int] = {}

    def include(self, position: str) -> None:
        """Make later reads include this position."""
        for partition, offset in parse_positions(position).items():
            self._seen[partition] = max(offset, self._seen.get(partition, -1))

    def read(self, isbn: str) -> None:
        """Read a title and record the answer; without an answer there is nothing to record."""
        api, after = self._random.choice(self._apis), format_positions(self._seen)
        path = f"/inventory/{isbn}" + (f"?after={after}&timeout={WAIT_S}" if after else "")
        where = urlsplit(api)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=LIMIT_S)
        called = time.monotonic_ns()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            return
        finally:
            connection.close()
        returned = time.monotonic_ns()
        position = answer.headers.get("Inventory-Position", "")
        name = f"api-{self._apis.index(api)}"
        more = (called, returned, answer.status, position, json.loads(body))
        self._recorder.read(Read(self._client, isbn, name, after, *more))
        if answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
            self.include(position)
