"""Commands on their way to other gateways, in batches over kept connections."""

import asyncio
import hashlib
import logging
from asyncio import Future
from collections.abc import Sequence
from time import monotonic
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from eventstore.append.writer import now_ms
from eventstore.state.outcomes import Receipt, Submitted
from foundation.http.responses import HttpResponse
from foundation.settings import Settings
from inventory.commands import Command
from producer.gateway.expiry import CLOCKS_APART_S
from producer.gateway.sharing.connections import Connections, NoGatewaysAnswer, NotConnected

PATH = "/forwarded"
ANSWER_TIMEOUT_S = 2.0
"""That another gateway has for an answer; after it we execute the command ourselves."""
EXPIRY_S = ANSWER_TIMEOUT_S - CLOCKS_APART_S
"""After which the other gateway does not begin to decide it. A refusal leaves nothing in the log: a gateway
that was frozen could otherwise accept what we have refused meanwhile."""
SUSPECT_S = 3.0
"""For which a gateway that did not answer gets nothing more."""
LARGEST_BATCH = 500
MOST_IN_FLIGHT = 16
"""Batches of one partition. With few, commands wait here while the other gateway begins a transaction."""

log = logging.getLogger(__name__)


class ForwardedCommand(Struct, frozen=True, array_like=True, tag="c"):
    """A checked command on its way to the gateway that has its partition."""

    command_id: str
    command: Command
    carried: dict[str, str]
    expires_at_ms: int
    """See ``Submitted``."""


class ForwardedLookUp(Struct, frozen=True, array_like=True, tag="l"):
    """A question on its way: which receipts has this command id in this partition?"""

    command_id: str
    partition: int


def forwarded(submitted: Submitted) -> ForwardedCommand:
    """The command on its way, from now."""
    expires_at_ms = now_ms() + int(1000 * EXPIRY_S)
    if submitted.expires_at_ms is not None:
        expires_at_ms = min(expires_at_ms, submitted.expires_at_ms)
    return ForwardedCommand(submitted.command_id, submitted.command, submitted.carried, expires_at_ms)


Forwarded: TypeAlias = ForwardedCommand | ForwardedLookUp
Answer: TypeAlias = HttpResponse | list[Receipt] | None
"""The response of a command, or receipts of a look-up; None: the other gateway could not decide it."""

encode = msgspec.msgpack.Encoder().encode
decode_entries = msgspec.msgpack.Decoder(list[Forwarded]).decode


class AnswerSheet(Struct, frozen=True, array_like=True):
    """The answers to a batch, in its order. One of the lists is empty for each entry's kind."""

    responses: list[HttpResponse | None]
    receipts: list[list[Receipt] | None]


_decode_answers = msgspec.msgpack.Decoder(AnswerSheet).decode


def authorization(settings: Settings) -> str:
    """One gateway's proof to another: made from the setting ``token``, which both have."""
    return "Gateway " + hashlib.sha256(f"forwarded {settings.token}".encode()).hexdigest()


class Peers:
    """The other gateways of the store. All methods belong to one event loop; ``close`` ends it."""

    def __init__(self, settings: Settings) -> None:
        self._headers = {"Authorization": authorization(settings), "Content-Type": "application/msgpack"}
        self._connections: dict[str, Connections] = {}
        self._pipes: dict[tuple[str, int], _Pipe] = {}
        self._suspect_until: dict[str, float] = {}
        self.forwarded = 0
        """Entries that were sent to others."""
        self.unanswered = 0
        """Of them, those that came back without an answer."""

    def ask(self, address: str, partition: int, entry: Forwarded) -> "Future[Answer]":
        """The answer of the gateway at ``address``; None if it gave none."""
        pipe = self._pipes.get((address, partition))
        if pipe is None:
            pipe = self._pipes[address, partition] = _Pipe(self, address)
        return pipe.put(entry)

    def suspects(self, address: str) -> bool:
        """Whether the gateway did not answer a moment ago."""
        return self._suspect_until.get(address, 0.0) > monotonic()

    def close(self) -> None:
        """End all connections."""
        for connections in self._connections.values():
            connections.close()

    async def send(self, address: str, entries: Sequence[Forwarded]) -> list[Answer]:
        """One request. Every entry is answered, with None where the other gateway does not answer."""
        self.forwarded += len(entries)
        answers: list[Answer]
        try:
            answers = await self._post(address, entries)
        except (NotConnected, NoGatewaysAnswer, OSError, msgspec.MsgspecError) as error:
            log.info("the gateway at %s does not answer: %r", address, error)
            self._suspect_until[address] = monotonic() + SUSPECT_S
            if not isinstance(error, NotConnected):
                await _expiry(entries)
            answers = [None] * len(entries)
        self.unanswered += answers.count(None)
        return answers

    async def _post(self, address: str, entries: Sequence[Forwarded]) -> list[Answer]:
        connections = self._connections.get(address)
        if connections is None:
            connections = self._connections[address] = Connections(address, PATH, self._headers)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            sheet = _decode_answers(await connections.post(encode(entries)))
        responses, receipts = iter(sheet.responses), iter(sheet.receipts)
        return [next(responses if isinstance(entry, ForwardedCommand) else receipts) for entry in entries]


async def _expiry(entries: Sequence[Forwarded]) -> None:
    """Return when the other gateway, which may live and have them, does not begin to decide them any more."""
    expiries = [entry.expires_at_ms for entry in entries if isinstance(entry, ForwardedCommand)]
    left_ms = max(expiries, default=0) + 1000 * CLOCKS_APART_S - now_ms()
    await asyncio.sleep(max(0.0, left_ms / 1000))


class _Pipe:
    """Entries of one partition on their way to one gateway."""

    def __init__(self, peers: Peers, address: str) -> None:
        self._peers, self._address = peers, address
        self._waiting: list[tuple[Forwarded, Future[Any]]] = []
        self._in_flight: set[asyncio.Task[None]] = set()

    def put(self, entry: Forwarded) -> "Future[Answer]":
        future: Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        self._send_next()
        return future

    def _send_next(self) -> None:
        while self._waiting and len(self._in_flight) < MOST_IN_FLIGHT:
            batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            task = asyncio.get_running_loop().create_task(self._send(batch))
            self._in_flight.add(task)
            task.add_done_callback(self._sent)

    async def _send(self, batch: "list[tuple[Forwarded, Future[Any]]]") -> None:
        answers = await self._peers.send(self._address, [entry for entry, _ in batch])
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._send_next()
