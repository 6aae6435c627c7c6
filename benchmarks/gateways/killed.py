"""Kills one of several gateways under load, and measures how long its clients and the others wait."""

import asyncio
import time
from collections.abc import Sequence
from uuid import uuid4

import aiohttp
import msgspec
from msgspec import Struct

from benchmarks.harness.servers import Server
from inventory.commands import AddBook, AddCopies, Command
from inventory.isbn import in_house

CLIENTS = 64
BEFORE_S = 3.0
AFTER_S = 9.0
"""Longer than the group needs to notice the death."""
ANSWER_TIMEOUT_S = 30.0


class AfterKill(Struct, frozen=True):
    """Answers around a ``kill -9`` of the first of ``gateways``.

    A client whose connection breaks repeats its command, with its id, at the next gateway; its wait counts
    from its first attempt. ``errors`` counts every other status than 201.
    """

    gateways: int
    clients: int
    commands: int
    errors: int
    moved_clients: int
    longest_before_ms: float
    longest_after_ms: float


class _Answer(Struct, frozen=True):
    begun: float
    ended: float
    status: int
    moved: bool


def after_a_kill(servers: Sequence[Server]) -> AfterKill:
    """Run CLIENTS clients, kill the first server after BEFORE_S seconds, and go on for AFTER_S."""
    return asyncio.run(_after_a_kill(servers))


async def _after_a_kill(servers: Sequence[Server]) -> AfterKill:
    begun = time.perf_counter()
    end = begun + BEFORE_S + AFTER_S
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        urls = [server.url for server in servers]
        clients = [asyncio.ensure_future(_client(session, urls, n, end)) for n in range(CLIENTS)]
        await asyncio.sleep(BEFORE_S)
        servers[0].processes.kill()
        killed = time.perf_counter()
        answers = [answer for each in await asyncio.gather(*clients) for answer in each]
    waits = [(answer.ended > killed, 1000 * (answer.ended - answer.begun)) for answer in answers]
    return AfterKill(
        len(servers),
        CLIENTS,
        len(answers),
        sum(answer.status != 201 for answer in answers),
        sum(answer.moved for answer in answers),
        round(max(ms for after, ms in waits if not after), 1),
        round(max(ms for after, ms in waits if after), 1),
    )


async def _client(session: aiohttp.ClientSession, urls: list[str], number: int, end: float) -> list[_Answer]:
    """Send commands for a title of its own, one after the other, to one gateway as long as it answers."""
    isbn, mine = in_house(number), number % len(urls)
    answers: list[_Answer] = []
    while (begun := time.perf_counter()) < end:
        command: Command = AddCopies(isbn, 1) if answers else AddBook(isbn, "The Benchmark", "A Writer", 1)
        key, tried = uuid4().hex, mine
        while (status := await _post(session, urls[tried], key, command)) is None:
            tried = (tried + 1) % len(urls)
        answers.append(_Answer(begun, time.perf_counter(), status, tried != mine))
        mine = tried
    return answers


async def _post(session: aiohttp.ClientSession, url: str, key: str, command: Command) -> int | None:
    """The status of the response; None where the gateway does not answer."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    body = msgspec.json.encode(command)
    try:
        async with session.post(f"{url}/commands", data=body, headers=headers) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, OSError):
        return None
