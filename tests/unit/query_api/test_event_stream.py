"""Readers of the changes who hear nothing, take nothing, or take too little: without Kafka."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from query_api.replica.progress import Progress
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from tests.support.query_api.api_without_kafka import ApiWithoutKafka

A = "9781593275846"
AT = 1714564800123
ENDLESS = 10**9


class Listener:
    """Reads ``/changes``, and takes no more than ``takes`` parts of the answer."""

    def __init__(self, stock: ApiWithoutKafka, since: str, takes: int = ENDLESS, query: str = "") -> None:
        self.stock, self.takes = stock, takes
        self.heard: list[str] = []
        self.status = 0
        self._scope: Any = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": "/changes", "raw_path": b"/changes", "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"last-event-id", since.encode())],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        self._news = asyncio.Condition()
        self._leaving = asyncio.Event()

    async def follow(self) -> None:
        """Until the stream ends."""
        await asyncio.wait_for(self.stock.app(self._scope, self._receive, self._send), 20)

    async def until(self, condition: Callable[[list[str]], bool]) -> None:
        """Wait until ``condition`` holds of what was heard."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: condition(self.heard)), 20)

    def leave(self) -> None:
        """Close the connection."""
        self._leaving.set()

    @property
    def last(self) -> str:
        """The last id."""
        return "".join(self.heard).rpartition("id: ")[2].partition("\n")[0]

    @property
    def versions(self) -> list[int]:
        """Of the changes that were heard."""
        data = [text.partition("data: ")[2].partition("\n")[0] for text in self.heard if "data: " in text]
        return [json.loads(text)["version"] for text in data]

    async def _receive(self) -> Any:
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        if len(self.heard) >= self.takes:
            await asyncio.Event().wait()
        async with self._news:
            self.heard.append(message["body"].decode())
            self._news.notify_all()


def to_and_fro(number: int) -> list[Event]:
    """A copy that is lent and given back."""
    return [
        BookReturned(A, "ann", AT) if n % 2 else BookBorrowed(A, "ann", AT, AT + 99_000)
        for n in range(number)
    ]


@pytest.fixture
def stock(tmp_path: Path) -> ApiWithoutKafka:
    return ApiWithoutKafka(tmp_path, [BookAdded(A, "Elixir in Action", "Saša Jurić", 10, AT)])


def test_an_idle_stream_sends_comments(stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("query_api.http.change_feed.HEARTBEAT_INTERVAL_S", 0.01)

    async def listen() -> Listener:
        listener = Listener(stock, since="start")
        async with stock.waiters.running():
            following = asyncio.ensure_future(listener.follow())
            await listener.until(lambda heard: sum(": nothing new" in text for text in heard) >= 2)
            assert stock.reading.readers == 1
            assert stock.reading.readers == 1
            listener.leave()
            await following
        return listener

    listener = asyncio.run(listen())
    assert listener.status == 200
    # The first change, then nothing; each comment says where to go on
    assert listener.versions == [1]
    assert listener.last == stock.reading.position()
    assert "library_api_streams 0.0" in stock.ask("/metrics").text


def test_events_that_no_row_shows_yet_are_sent_to_readers_who_want_them(stock: ApiWithoutKafka):
    def lagging() -> Progress:
        progress = stock.replica.progress
        return msgspec.structs.replace(progress, table=(0,) * len(progress.table))

    async def listen() -> tuple[list[int], list[int]]:
        stock.replica.progress = lagging()
        shown = Listener(stock, since="start")
        read = Listener(stock, since="start", query="once=read")
        async with stock.waiters.running():
            following = [asyncio.ensure_future(each.follow()) for each in (shown, read)]
            await read.until(lambda _: read.versions == [1])
            stock.put(BookBorrowed(A, "ann", AT, AT))
            stock.replica.progress = lagging()
            await read.until(lambda _: read.versions == [1, 2])
            heard = list(shown.versions)
            stock.put()
            await shown.until(lambda _: shown.versions == [1, 2])
            for each in (shown, read):
                each.leave()
            await asyncio.gather(*following)
        return heard, read.versions

    assert asyncio.run(listen()) == ([], [1, 2])


def test_a_reader_that_takes_nothing_is_disconnected(stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("query_api.http.event_stream.STALL_TIMEOUT_S", 0.01)

    async def listen() -> None:
        async with stock.waiters.running():
            await Listener(stock, since="start", takes=1).follow()

    asyncio.run(listen())
    assert stock.reading.readers == 0


def test_a_reader_that_falls_a_buffer_behind_is_disconnected_and_can_resume(
    stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("query_api.http.change_feed.LARGEST_BACKLOG", 20)

    async def listen() -> tuple[Listener, Listener]:
        async with stock.waiters.running():
            slow = Listener(stock, since="start", takes=5)
            following = asyncio.ensure_future(slow.follow())
            stock.put(*to_and_fro(10))
            await slow.until(lambda heard: len(heard) == 5)
            while not following.done():
                stock.put(*to_and_fro(2))
                await asyncio.wait({following}, timeout=0.01)
            await following
            again = Listener(stock, since=slow.last)
            following = asyncio.ensure_future(again.follow())
            await again.until(lambda _: again.last == stock.reading.position())
            again.leave()
            await following
        return slow, again

    slow, again = asyncio.run(listen())
    assert len(slow.heard) == 5
    assert len(stock.stored) >= 11 + 20
    assert slow.versions + again.versions == [event.version for event in stock.stored]


def test_a_slow_but_steady_reader_stays_connected(stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch):
    """However far behind: nothing is held for it in memory."""
    monkeypatch.setattr("query_api.http.change_feed.LARGEST_BACKLOG", 3)
    stock.put(*to_and_fro(100))

    async def listen() -> Listener:
        async with stock.waiters.running():
            listener = Listener(stock, since="start")
            following = asyncio.ensure_future(listener.follow())
            await listener.until(lambda _: listener.last == stock.reading.position())
            listener.leave()
            await following
        return listener

    assert asyncio.run(listen()).versions == list(range(1, 102))
