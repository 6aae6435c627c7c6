"""A reader of several query APIs, each time ``after`` everything that it was shown before."""

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import httpx

from eventstore.positions import format_positions, parse_positions
from tests.support.waiting import eventually


class AfterReader:
    """Reads a title from one query API after the other while the block runs."""

    def __init__(self, isbn: str, urls: Sequence[str]) -> None:
        self._isbn, self._urls, self._ended = isbn, urls, threading.Event()
        self.seen: list[tuple[int, dict[int, int]]] = []
        """Versions and positions."""
        self.answered = Counter[str]()
        self.refused: list[tuple[str, str]] = []
        """URLs of query APIs, and what each answered instead."""
        self.away: set[str] = set()
        """Those that could not be reached at some time."""
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        parameters, included = {"timeout": "30"}, dict[int, int]()
        with httpx.Client(timeout=40) as client:
            while not self._ended.is_set():
                for url in self._urls:
                    try:
                        answer = client.get(f"{url}/inventory/{self._isbn}", params=parameters)
                    except httpx.TransportError:
                        self.away.add(url)
                        continue
                    if answer.status_code != 200:
                        self.refused.append((url, answer.text))
                        continue
                    position = parse_positions(answer.headers["Inventory-Position"])
                    included |= position
                    parameters["after"] = format_positions(included)
                    self.seen.append((answer.json()["version"], position))
                    self.answered[url] += 1

    def read_each(self) -> None:
        """Wait until it has read from each query API again."""
        before = self.answered.copy()
        eventually(lambda: all(self.answered[url] > before[url] for url in self._urls))

    def check(self) -> None:
        """Check that no answer was older than the one before it."""
        assert all(version >= before for (before, _), (version, _) in pairwise(self.seen))
        assert all(
            position.get(partition, -1) >= offset
            for (_, before), (_, position) in pairwise(self.seen)
            for partition, offset in before.items()
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
