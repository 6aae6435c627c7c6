"""Commands that other gateways pass on: executed here, whoever has the partition. One hop at most."""

import asyncio
import logging
import socket
from asyncio import Transport
from hmac import compare_digest
from typing import cast

import msgspec

from eventstore.state.outcomes import OutcomeUnknown, submit
from foundation.http.problem import Problem
from foundation.http.responses import render_problem
from foundation.text import Malformed
from inventory.commands import checked
from producer.gateway.gateway import Gateway
from producer.gateway.requests import malformed
from producer.gateway.responses import STOPPING, render_response
from producer.gateway.sharing.messages import (
    LARGEST_FRAME_BYTES,
    Answer,
    Forwarded,
    ForwardedLookUp,
    Frames,
    FrameTooLong,
    decode_entries,
    encode_answers,
    greeting,
)

GREETING_TIMEOUT_S = 5.0
"""After which a connection that has not greeted is closed."""

log = logging.getLogger(__name__)


class Reception:
    """Takes the links of other gateways on ``listener``. All methods belong to one event loop."""

    def __init__(self, gateway: Gateway, listener: socket.socket) -> None:
        self._gateway, self._listener = gateway, listener
        self._greeting = greeting(gateway.settings)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    async def open(self) -> None:
        """Begin to take links."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Link(self._gateway, self._greeting, self._links), sock=self._listener
        )

    def close(self) -> None:
        """End all links."""
        if self._server is not None:
            self._server.close()
        self._listener.close()
        for link in list(self._links):
            link.close()


class _Link(asyncio.Protocol):
    """A link that another gateway has opened: it sends entries, and gets each answer once it is there."""

    def __init__(self, gateway: Gateway, greeting: bytes, links: "set[_Link]") -> None:
        self._gateway, self._greeting, self._links = gateway, greeting, links
        # Who has not greeted may not make us keep much
        self._frames = Frames(len(greeting))
        self._greeted = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: list[tuple[int, Answer]] = []
        """Those that the present pass of the event loop has brought."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport = cast(Transport, transport)
        self._links.add(self)
        self._impatience = asyncio.get_running_loop().call_later(GREETING_TIMEOUT_S, self.close)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Go on with what was sent: the other gateway waits until it has expired."""
        self._impatience.cancel()
        self._links.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take what is complete."""
        try:
            for body in self._frames.read(data):
                self._take(body)
        except (FrameTooLong, msgspec.MsgspecError) as error:
            log.warning("a link is closed, through which came no command of a gateway: %s", error)
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._transport.abort()

    def _take(self, body: bytes) -> None:
        if self._greeted:
            loop = asyncio.get_running_loop()
            for number, entry in decode_entries(body):
                task = loop.create_task(self._answer(number, entry))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        elif compare_digest(body, self._greeting):
            self._greeted = True
            self._frames.longest = LARGEST_FRAME_BYTES
            self._impatience.cancel()
        else:
            log.warning("a link is closed: only gateways of this store, with its token, may forward")
            self.close()

    async def _answer(self, number: int, entry: Forwarded) -> None:
        try:
            answer = await self._execute(entry)
        except Exception:
            # Without an answer: the other gateway must not execute it before it has expired here
            log.exception("a command of another gateway failed")
            return
        self._answers.append((number, answer))
        if len(self._answers) == 1:
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        answers, self._answers = self._answers, []
        if not self._transport.is_closing():
            self._transport.write(encode_answers(answers))

    async def _execute(self, entry: Forwarded) -> Answer:
        try:
            if isinstance(entry, ForwardedLookUp):
                found = await self._gateway.look_up(entry.command_id, entry.partition)
                return found if isinstance(found, list) else None
            submitted = submit(entry.command_id, checked(entry.command), entry.carried, entry.expires_at_ms)
            outcome = await self._gateway.submit(submitted)
        except Malformed as error:
            return render_problem(malformed(error))
        except Problem as problem:
            # A gateway that stops does nothing more: the other one executes it
            return None if problem.code == STOPPING else render_problem(problem)
        if isinstance(outcome, OutcomeUnknown):
            return None
        return render_response(outcome, submitted.command_id, submitted.command.isbn)
