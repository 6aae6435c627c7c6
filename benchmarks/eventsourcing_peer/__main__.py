"""One client of ``eventsourcing``: adds, borrows and returns titles as fast as they are stored.

It gets its store from the library's own environment variables, and prints one line of JSON: the seconds that
each command took. A client calls the application directly: no HTTP, no serialisation of commands.
"""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

T = TypeVar("T")


class Title(Aggregate):
    """The rules of our write side for adding, borrowing and returning."""

    @event("BookAdded")
    def __init__(self, isbn: str, title: str, author: str, quantity: int) -> None:
        self.isbn, self.title, self.author, self.quantity = isbn, title, author, quantity
        self.loans: dict[str, int] = {}

    def borrow(self, user_id: str, due_at: int) -> None:
        if user_id in self.loans or self.quantity - len(self.loans) < 1:
            raise ValueError("refused")
        self._borrowed(user_id, due_at)

    def give_back(self, user_id: str) -> None:
        if user_id not in self.loans:
            raise ValueError("refused")
        self._returned(user_id)

    @event("BookBorrowed")
    def _borrowed(self, user_id: str, due_at: int) -> None:
        self.loans[user_id] = due_at

    @event("BookReturned")
    def _returned(self, user_id: str) -> None:
        del self.loans[user_id]


class Inventory(Application[UUID]):
    """Saves after each command, because the caller waits for the answer."""

    def add(self, isbn: str) -> Title:
        title = Title(isbn, "The Benchmark", "A Writer", 3)
        self.save(title)
        return title

    def borrow(self, title: Title) -> None:
        found: Title = self.repository.get(title.id)
        found.borrow("ann", int(time.time() * 1000))
        self.save(found)

    def give_back(self, title: Title) -> None:
        found: Title = self.repository.get(title.id)
        found.give_back("ann")
        self.save(found)


class _Unflushed(sqlite3.Connection):
    def __init__(self, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self.execute("PRAGMA synchronous = OFF")


def main(begin_at: float, seconds: float) -> None:
    """Work from ``begin_at`` (Unix time) on, when all clients begin."""
    if os.environ.get("BENCHMARK_DURABILITY") == "os":
        sqlite3.connect = partial(sqlite3.connect, factory=_Unflushed)  # type: ignore[assignment]
    inventory = Inventory()
    time.sleep(max(0.0, begin_at - time.time()))
    took: list[float] = []
    end = time.perf_counter() + seconds

    def timed(command: Callable[[], T]) -> T:
        begun = time.perf_counter()
        result = command()
        took.append(time.perf_counter() - begun)
        return result

    while time.perf_counter() < end:
        title = timed(partial(inventory.add, uuid4().hex))
        timed(partial(inventory.borrow, title))
        timed(partial(inventory.give_back, title))
    print(json.dumps(took))


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
