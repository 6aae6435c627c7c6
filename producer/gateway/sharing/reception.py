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
from foundation.http.responses import HttpResponse, render_problem, send_response
from foundation.text import Malformed
from inventory.commands import checked
from producer.gateway.bodies import BodyReader
from producer.gateway.gateway import Gateway
from producer.gateway.requests import malformed
from producer.gateway.responses import STOPPING, render_response
from producer.gateway.sharing.peers import (
    PATH,
    AnswerSheet,
    Forwarded,
    ForwardedCommand,
    ForwardedLookUp,
    authorization,
    decode_entries,
    encode,
)

LARGEST_BATCH_BYTES = 8 * 1024 * 1024
_HEADERS = [(b"cache-control", b"no-store"), *SAFETY]
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
            response = await self._answer(request, receive)
        except Problem as problem:
            response = render_problem(problem)
        await send_response(send, response, _HEADERS)

    async def _answer(self, request: Any, receive: Receive) -> HttpResponse:
        headers = unique_headers(request["headers"], _UNIQUE)
        host, origin = header_text(headers.get(b"host")), header_text(headers.get(b"origin"))
        self._hosts.check(host, origin, request["http_version"])
        if not compare_digest(headers.get(b"authorization", b""), self._authorization):
            detail = "only gateways of this store, with its token, may forward"
            raise Problem(401, "no_gateway", detail, headers={"WWW-Authenticate": "Gateway"})
        try:
            entries = decode_entries(await self._bodies.read(headers.get(b"content-length"), receive))
        except msgspec.MsgspecError as error:
            raise Problem(400, "malformed", f"no batch of commands: {error}") from error
        answers = await asyncio.gather(*map(self._execute, entries))
        commands = [a for e, a in zip(entries, answers, strict=True) if isinstance(e, ForwardedCommand)]
        look_ups = [a for e, a in zip(entries, answers, strict=True) if isinstance(e, ForwardedLookUp)]
        sheet = AnswerSheet(commands, look_ups)
        return HttpResponse(200, [(b"content-type", b"application/msgpack")], encode(sheet))

    async def _execute(self, entry: Forwarded) -> Any:
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
