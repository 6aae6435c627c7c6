"""Clients that write and read back: each sends a command, then reads its title as of the receipt."""

import asyncio
import time
from collections.abc import Callable, Iterator
from statistics import quantiles
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import uvloop
from msgspec import Struct

from inventory.commands import AddBook, BorrowBook, Command, ReturnBook
from tests.support.workload import workload

SAMPLE_INTERVAL_S = 0.02
"""Between two commands that are traced, of all clients together: more would slow the others down."""

ReadPath: TypeAlias = Callable[[str, str, int], str]
"""The path of a title's row once it has a write: from its ISBN, the receipt's position, and the version."""


class Written(NamedTuple):
    """A command that was written and read back; times in ns since 1970. ``trace`` is empty if not traced."""

    sent: int
    acknowledged: int
    answered: int
    trace: str
    stale: bool


class Figures(Struct, frozen=True):
    """What clients met that write and read back, each as fast as it gets answers.

    ``read_back`` is from the acknowledgement to the answer of the read, ``whole`` from the command.
    """

    name: str
    clients: int
    writes: int
    writes_per_second: float
    whole_p50_ms: float
    whole_p99_ms: float
    read_back_p50_ms: float
    read_back_p99_ms: float
    stale: int


class RequestFailed(Exception):
    """A server gave another answer than the expected one: the figures are void."""


class Connection:
    """A kept connection to an HTTP server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect to the server at ``url``."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        return cls(reader, writer, parts.netloc)

    async def ask(self, method: str, path: str, headers: str = "", body: bytes = b"") -> bytes:
        """The body of the answer. Raises RequestFailed."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{headers}"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._writer.write(f"{head}{length}\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(answer[9:12])
        after_name = answer.partition(b"content-length:")[2]
        found = await self._reader.readexactly(int(after_name.split(b"\r\n", 1)[0]))
        if status not in (200, 201):
            raise RequestFailed(f"{method} {path}: {status} {found[:300]!r}")
        return found

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        await self._writer.wait_closed()


class Load:
    """Clients of a gateway and of a server that reads."""

    def __init__(self, write_url: str, read_url: str, read_path: ReadPath) -> None:
        self._write_url, self._read_url, self._read_path = write_url, read_url, read_path
        self._next_sample = 0.0
        self._written: list[Written] = []

    def run(self, clients: int, seconds: float, seed: int) -> list[Written]:
        """What ``clients`` met who began a command within ``seconds``. Raises RequestFailed."""
        self._written = []
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._all(clients, seconds, seed))
        return self._written

    async def _all(self, clients: int, seconds: float, seed: int) -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._client(seed + number, end) for number in range(clients)))

    async def _client(self, seed: int, end: float) -> None:
        write, read = await Connection.open(self._write_url), await Connection.open(self._read_url)
        for version, command in enumerate(_commands(seed), 1):
            if time.monotonic() > end:
                break
            self._written.append(await self._once(write, read, command, version))
        await write.close()
        await read.close()

    async def _once(self, write: Connection, read: Connection, command: Command, version: int) -> Written:
        key, trace, headers = uuid4().hex, "", "Content-Type: application/json\r\n"
        traced = ""
        if (now := time.monotonic()) > self._next_sample:
            self._next_sample, trace = now + SAMPLE_INTERVAL_S, key
            traced = f"traceparent: 00-{trace}-{key[:16]}-01\r\n"
        headers += f"Idempotency-Key: {key}\r\n{traced}"
        sent = time.time_ns()
        receipt = msgspec.json.decode(
            await write.ask("POST", "/commands", headers, msgspec.json.encode(command))
        )
        acknowledged = time.time_ns()
        path = self._read_path(command.isbn, receipt["position"], version)
        row = msgspec.json.decode(await read.ask("GET", path, traced))
        return Written(sent, acknowledged, time.time_ns(), trace, row["version"] < version)


def add_title(url: str) -> str:
    """Add a title at the gateway; return its ISBN."""

    async def add() -> str:
        connection, command = await Connection.open(url), next(_commands(-1))
        headers = f"Content-Type: application/json\r\nIdempotency-Key: {uuid4().hex}\r\n"
        await connection.ask("POST", "/commands", headers, msgspec.json.encode(command))
        await connection.close()
        return command.isbn

    return asyncio.run(add())


def figures(name: str, clients: int, written: list[Written], seconds: float) -> Figures:
    """The rate and the percentiles of a load."""
    whole = quantiles([(one.answered - one.sent) / 1e6 for one in written], n=100)
    read_back = quantiles([(one.answered - one.acknowledged) / 1e6 for one in written], n=100)
    return Figures(
        name,
        clients,
        len(written),
        round(len(written) / seconds),
        round(whole[49], 1),
        round(whole[98], 1),
        round(read_back[49], 1),
        round(read_back[98], 1),
        sum(one.stale for one in written),
    )


def _commands(seed: int) -> Iterator[Command]:
    """Commands for one new title: add it, then borrow and return it in turn."""
    isbn = next(workload(1, seed + 9_000_000)).event.isbn
    yield AddBook(isbn, "The Benchmark", "A Writer", 1)
    while True:
        yield BorrowBook(isbn, "ann")
        yield ReturnBook(isbn, "ann")
