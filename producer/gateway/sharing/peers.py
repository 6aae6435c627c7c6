"""Commands on their way to other gateways, in batches over kept connections."""

import asyncio
import logging
from asyncio import Future
from collections.abc import Sequence
from contextlib import aclosing
from time import monotonic
from typing import Any, TypeAlias

import msgspec

from eventstore.append.writer import now_ms
from foundation.settings import Settings
from producer.gateway.expiry import CLOCKS_APART_S
from producer.gateway.sharing.connections import Connections, NoGatewaysAnswer, NotConnected
from producer.gateway.sharing.messages import (
    ANSWER_TIMEOUT_S,
    PATH,
    Answer,
    AnswerReader,
    Forwarded,
    ForwardedCommand,
    authorization,
    encode_entries,
)

SUSPECT_S = 3.0
"""For which a gateway that did not answer gets nothing more."""
LARGEST_BATCH = 500
MOST_IN_FLIGHT = 100
"""Batches, and connections, for one gateway. A partition that is slow there must not hold up others."""

log = logging.getLogger(__name__)

_Waiting: TypeAlias = "tuple[Forwarded, Future[Any]]"


class Peers:
    """The other gateways of the store. All methods belong to one event loop; ``close`` ends it."""

    def __init__(self, settings: Settings) -> None:
        self._headers = {"Authorization": authorization(settings), "Content-Type": "application/msgpack"}
        self._pipes: dict[str, _Pipe] = {}
        self._suspect_until: dict[str, float] = {}
        self.forwarded = 0
        """Entries that were sent to others."""
        self.unanswered = 0
        """Of them, those that came back without an answer."""

    def ask(self, address: str, entry: Forwarded) -> "Future[Answer]":
        """The answer of the gateway at ``address``; None if it gave none."""
        pipe = self._pipes.get(address)
        if pipe is None:
            connections = Connections(address, PATH, self._headers)
            pipe = self._pipes[address] = _Pipe(self, address, connections)
        return pipe.put(entry)

    def suspects(self, address: str) -> bool:
        """Whether the gateway did not answer a moment ago."""
        return self._suspect_until.get(address, 0.0) > monotonic()

    def suspect(self, address: str) -> None:
        """Send the gateway nothing for a while."""
        self._suspect_until[address] = monotonic() + SUSPECT_S

    def close(self) -> None:
        """End all connections."""
        for pipe in self._pipes.values():
            pipe.connections.close()


class _Pipe:
    """Entries on their way to one gateway. Those of one pass of the event loop go together."""

    def __init__(self, peers: Peers, address: str, connections: Connections) -> None:
        self._peers, self._address, self.connections = peers, address, connections
        self._waiting: list[_Waiting] = []
        self._in_flight: set[asyncio.Task[None]] = set()

    def put(self, entry: Forwarded) -> "Future[Answer]":
        loop = asyncio.get_running_loop()
        future: Future[Answer] = loop.create_future()
        self._waiting.append((entry, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._send_next)
        return future

    def _send_next(self) -> None:
        while self._waiting and len(self._in_flight) < MOST_IN_FLIGHT:
            batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            task = asyncio.get_running_loop().create_task(self._send(batch))
            self._in_flight.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._send_next()

    async def _send(self, batch: Sequence[_Waiting]) -> None:
        """One request. Every entry is answered, with None where the other gateway does not answer."""
        self._peers.forwarded += len(batch)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._post(batch)
        except (NotConnected, NoGatewaysAnswer, OSError, msgspec.MsgspecError) as error:
            log.info("the gateway at %s does not answer: %r", self._address, error)
            self._peers.suspect(self._address)
            if not isinstance(error, NotConnected):
                await _expiry([entry for entry, future in batch if not future.done()])
        for _, future in batch:
            self._settle(future, None)

    async def _post(self, batch: Sequence[_Waiting]) -> None:
        """Settle answers as they come. Raises NotConnected, NoGatewaysAnswer, OSError, MsgspecError."""
        answers, left = AnswerReader(), {number: future for number, (_, future) in enumerate(batch)}
        body = encode_entries([entry for entry, _ in batch])
        async with aclosing(self.connections.post(body)) as pieces:
            async for piece in pieces:
                for number, answer in answers.read(piece):
                    if (future := left.pop(number, None)) is None:
                        raise NoGatewaysAnswer(f"one answer too many, to entry {number} of {len(batch)}")
                    self._settle(future, answer)
        if left:
            raise NoGatewaysAnswer(f"{len(left)} of {len(batch)} answers are missing")

    def _settle(self, future: "Future[Any]", answer: Answer) -> None:
        if not future.done():
            self._peers.unanswered += answer is None
            future.set_result(answer)


async def _expiry(entries: Sequence[Forwarded]) -> None:
    """Return when the other gateway, which may live and have them, does not begin to decide them any more."""
    expiries = [entry.expires_at_ms for entry in entries if isinstance(entry, ForwardedCommand)]
    left_ms = max(expiries, default=0) + 1000 * CLOCKS_APART_S - now_ms()
    await asyncio.sleep(max(0.0, left_ms / 1000))
