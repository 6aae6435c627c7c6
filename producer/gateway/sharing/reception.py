"""Commands that other gateways pass on: executed here, whoever has the partition. One hop at most."""

import asyncio
from hmac import compare_digest
from typing import Any

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from eventstore.state.outcomes import OutcomeUnknown, submit
from foundation.http.callers import AllowedHosts
from foundation.http.headers import SAFETY, header_text, unique_headers
from foundation.http.problem import Problem
from foundation.http.responses import render_problem, send_response
from foundation.text import Malformed
from inventory.commands import checked
from producer.gateway.bodies import BodyReader
from producer.gateway.gateway import Gateway
from producer.gateway.requests import malformed
from producer.gateway.responses import STOPPING, render_response
from producer.gateway.sharing.messages import (
    PATH,
    Answer,
    Forwarded,
    ForwardedLookUp,
    authorization,
    decode_entries,
    encode_answers,
)

LARGEST_BATCH_BYTES = 8 * 1024 * 1024
_HEADERS = [(b"cache-control", b"no-store"), *SAFETY]
_ANSWER_HEADERS = [(b"content-type", b"application/msgpack"), *_HEADERS]
_UNIQUE = (b"host", b"origin", b"authorization", b"content-length")


class Reception:
    """ASGI: answers ``POST /forwarded``, and passes other requests to ``app``."""

    def __init__(self, app: ASGIApp, gateway: Gateway, hosts: AllowedHosts) -> None:
        self._app, self._gateway, self._hosts = app, gateway, hosts
        self._authorization = authorization(gateway.settings).encode()
        self._bodies = BodyReader(LARGEST_BATCH_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request: Any = scope
        if request["type"] != "http" or request["path"] != PATH or request["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            entries = await self._entries(request, receive)
        except Problem as problem:
            await send_response(send, render_problem(problem), _HEADERS)
            return
        await send({"type": "http.response.start", "status": 200, "headers": _ANSWER_HEADERS})
        pending = {asyncio.ensure_future(self._execute(entry)): n for n, entry in enumerate(entries)}
        while pending:
            # Each partition's as soon as they are there: another one may take longer
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            answers = encode_answers((pending.pop(task), task.result()) for task in done)
            await send({"type": "http.response.body", "body": answers, "more_body": bool(pending)})

    async def _entries(self, request: Any, receive: Receive) -> list[Forwarded]:
        """The entries of a batch. Raises Problem."""
        headers = unique_headers(request["headers"], _UNIQUE)
        host, origin = header_text(headers.get(b"host")), header_text(headers.get(b"origin"))
        self._hosts.check(host, origin, request["http_version"])
        if not compare_digest(headers.get(b"authorization", b""), self._authorization):
            detail = "only gateways of this store, with its token, may forward"
            raise Problem(401, "no_gateway", detail, headers={"WWW-Authenticate": "Gateway"})
        body = await self._bodies.read(headers.get(b"content-length"), receive)
        try:
            return decode_entries(body)
        except msgspec.MsgspecError as error:
            raise Problem(400, "malformed", f"no batch of commands: {error}") from error

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
