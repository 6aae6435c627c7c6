"""A kept connection to another gateway, for commands on their way and their answers."""

import asyncio
import logging
from asyncio import Future, Transport
from collections.abc import Callable, Sequence
from time import monotonic
from typing import cast

import msgspec

from eventstore.groups import gateway_url
from producer.gateway.sharing.address import link_of
from producer.gateway.sharing.messages import (
    ANSWER_TIMEOUT_S,
    LARGEST_FRAME_BYTES,
    Answer,
    Forwarded,
    ForwardedLookUp,
    Frames,
    FrameTooLong,
    decode_answers,
    encode_entries,
    frame,
)

CONNECT_TIMEOUT_S = 0.5
KEPT_S = 60.0
"""For which a silent link is kept. What is between two machines may forget it without a word."""
LARGEST_BATCH = 200
"""Entries in a frame: so many of the longest commands are shorter than LARGEST_FRAME_BYTES."""

log = logging.getLogger(__name__)


class Link(asyncio.Protocol):
    """Asks one gateway, over one connection. What one pass of the event loop brings goes together.

    ``trouble`` is called whenever the gateway does not answer, ``ended`` once, after which the link takes
    nothing more. All methods belong to one event loop.
    """

    def __init__(
        self, address: str, greeting: bytes, trouble: Callable[[], None], ended: "Callable[[Link], None]"
    ) -> None:
        self.address, self._greeting = address, greeting
        self._trouble, self._ended = trouble, ended
        self._frames = Frames(LARGEST_FRAME_BYTES)
        self._transport: Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._number = 0
        self._waiting: list[tuple[int, Forwarded]] = []
        """Entries that are not sent yet."""
        self._open: dict[int, tuple[Forwarded, Future[Answer]]] = {}
        """All entries without an answer, by number."""
        self._heard_at = monotonic()
        """When anything arrived last."""

    def ask(self, entry: Forwarded) -> "Future[Answer]":
        """The gateway's answer; None if it gave none in time, and does not begin to decide it any more."""
        loop = asyncio.get_running_loop()
        self._number += 1
        future: Future[Answer] = loop.create_future()
        self._open[self._number] = entry, future
        self._waiting.append((self._number, entry))
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect())
        if len(self._waiting) == 1:
            loop.call_soon(self._send)
        return future

    @property
    def stale(self) -> bool:
        """Whether nothing was said for so long that the link may be broken."""
        return not self._open and monotonic() - self._heard_at > KEPT_S

    def close(self) -> None:
        """End the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _connect(self) -> None:
        try:
            host, port = link_of(self.address)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        except (OSError, ValueError) as error:
            # ValueError: of an address without such a port, or a host name that can't be one
            if self._transport is not None:
                # Made in the last moment: ``connection_lost`` ends the link
                self._transport.abort()
                return
            self._fail(f"no connection: {str(error) or 'none in time'}")
            self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waits."""
        self._transport = cast(Transport, transport)
        self._transport.write(frame(self._greeting))
        self._send()

    def data_received(self, data: bytes) -> None:
        """Settle answers as they come; one that comes too late is nobody's."""
        self._heard_at = monotonic()
        try:
            for body in self._frames.read(data):
                for number, answer in decode_answers(body):
                    self._settle(number, answer)
        except (FrameTooLong, msgspec.MsgspecError) as error:
            self._fail(f"no answer of a gateway: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what was not sent, and questions. Commands may be executed there until they expire."""
        if self._open:
            self._fail(f"the connection was lost: {exc or 'closed'}")
        for number in [n for n, (entry, _) in self._open.items() if isinstance(entry, ForwardedLookUp)]:
            self._settle(number, None)
        self._end()

    def _send(self) -> None:
        if self._transport is None or self._transport.is_closing():
            # ``connection_made`` or ``connection_lost`` follows
            return
        while self._waiting:
            batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            self._transport.write(encode_entries(batch))
            asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, self._overdue, batch, monotonic())

    def _overdue(self, batch: Sequence[tuple[int, Forwarded]], sent_at: float) -> None:
        """Give up what has no answer. Commands have expired there by now."""
        if not any(number in self._open for number, _ in batch):
            return
        self._fail("no answer in time")
        for number, _ in batch:
            self._settle(number, None)
        if self._heard_at < sent_at:
            # It may be cut off: after a while TCP tries again every minute only
            self.close()

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for number, _ in waiting:
            self._settle(number, None)
        self._ended(self)

    def _fail(self, why: str) -> None:
        log.info("the gateway at %s does not answer: %s", gateway_url(self.address), why)
        self._trouble()

    def _settle(self, number: int, answer: Answer) -> None:
        _, future = self._open.pop(number, (None, None))
        if future is not None and not future.done():
            future.set_result(answer)
