"""Callers of the gateway that add copies as fast as it answers, and count what was acknowledged."""

import json
import threading
import urllib.request
from collections import Counter
from typing import Self
from uuid import uuid4

THREADS = 4


class Callers:
    """They call while the block runs. ``acknowledged``: copies of each title that were added for sure;
    ``failed``: calls without that answer."""

    def __init__(self, gateway: str, isbns: list[str]) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.failed = 0
        self._gateway, self._isbns = gateway, isbns
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, args=[n]) for n in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _call(self, number: int) -> None:
        turn = number
        while not self._ended.is_set():
            isbn = self._isbns[turn % len(self._isbns)]
            turn += THREADS + 1
            done = is_done(self._gateway, type="AddCopies", isbn=isbn, quantity=1)
            with self._lock:
                if done:
                    self.acknowledged[isbn] += 1
                else:
                    self.failed += 1


def is_done(gateway: str, **command: object) -> bool:
    """Whether the gateway acknowledges the command."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
    request = urllib.request.Request(f"{gateway}/commands", json.dumps(command).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status == 201)
    except OSError:
        return False
