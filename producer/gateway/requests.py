"""From an HTTP request to a checked command: bounded, and refused as early as can be."""

import asyncio
import re
from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

from eventstore.state.outcomes import Submitted, submit
from foundation.http.problem import Problem
from foundation.settings import Settings
from foundation.text import Malformed
from inventory import commands
from schemas.times import BadTime, parse_time

LARGEST_BODY = 64 * 1024
"""Bytes; twice what the longest command can come to in JSON."""
SLOWEST = 10.0
"""Seconds that a body may take to arrive."""
LOOK_EVERY = 0.5
"""Seconds between two looks for bodies that are late."""
MOST_DISCARDED = 256 * 1024 * 1024
"""Bytes of a body too large that are still read, so that its sender comes to see the answer."""

CARRIED = {
    b"traceparent": "traceparent",
    b"causation-id": "causation_id",
    b"correlation-id": "correlation_id",
    b"client-time": "client_time",
}
"""Headers that stand on each event of the command, and what they are called there."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_JSON_TYPES = {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}


class Intake:
    """Reads requests for commands. All methods raise Problem for a request that is not as it must be."""

    def __init__(self, settings: Settings) -> None:
        self._arriving = _Arriving()
        self._token = f"Bearer {settings.token}".encode() if settings.token else None

    async def command(self, headers: dict[bytes, bytes], receive: Any) -> Submitted:
        """The command that a request with these headers carries."""
        self.authorise(headers)
        if (media := headers.get(b"content-type")) not in _JSON_TYPES and not _is_json(media):
            detail = "a command is sent as Content-Type: application/json"
            raise Problem(415, "unsupported_media_type", detail, headers={"Accept-Post": "application/json"})
        key = headers.get(b"idempotency-key")
        if key is None:
            detail = (
                "the header Idempotency-Key is missing: choose an id, and repeat the command with the same"
            )
            raise Problem(400, "no_key", detail, field="Idempotency-Key")
        body = await self._arriving.body(headers.get(b"content-length"), receive)
        try:
            return submit(_text("command_id", key), commands.from_json(body), carried(headers))
        except Malformed as error:
            raise malformed(error) from error

    def authorise(self, headers: dict[bytes, bytes]) -> None:
        """Ask for the token, where there is one."""
        if self._token is not None and not compare_digest(headers.get(b"authorization", b""), self._token):
            raise Problem(
                401,
                "no_token",
                "the gateway asks for a token: Authorization: Bearer <the setting `token`>",
                headers={"WWW-Authenticate": "Bearer"},
            )


def once(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; one of those that decide here must not stand twice."""
    found = dict(headers)
    if len(found) != len(headers):
        for name in (b"host", b"idempotency-key", b"content-type", b"authorization", *CARRIED):
            if sum(1 for other, _ in headers if other == name) > 1:
                raise Problem(400, "repeated_header", f"the header {name.decode()} stands twice")
    return found


def malformed(error: Malformed) -> Problem:
    """What was wrong with a command, and where."""
    field = "Idempotency-Key" if error.field == "command_id" else error.field
    return Problem(400, "malformed", str(error), field=field)


async def discard(receive: Any) -> None:
    """Read what is left of a body, within bounds, and forget it."""
    read = 0
    try:
        async with asyncio.timeout(SLOWEST):
            while read < MOST_DISCARDED:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return


async def _body(length: bytes | None, receive: Any) -> bytes:
    if length is not None and (len(length) > 9 or int(length) > LARGEST_BODY):
        raise _too_large()
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise _too_large()
        more = message.get("more_body", False)
    return body


class _Arriving:
    """Bodies that are awaited. One that takes longer than SLOWEST seconds is ended. Raises Problem 408.

    As ``asyncio.timeout`` does, but with one timer for all: setting and clearing one of its own would cost
    every command several microseconds, for the few that are late.
    """

    def __init__(self) -> None:
        self._since: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def body(self, length: bytes | None, receive: Any) -> bytes:
        """A request's whole body."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._since[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(LOOK_EVERY, self._look, loop)
        try:
            return await _body(length, receive)
        except asyncio.CancelledError:
            if task not in self._since and not task.uncancel():
                raise Problem(408, "too_slow", f"the body did not arrive in {SLOWEST:g} seconds") from None
            raise
        finally:
            self._since.pop(task, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        late = [task for task, since in self._since.items() if loop.time() - since >= SLOWEST]
        for task in late:
            del self._since[task]
            task.cancel()
        self._timer = loop.call_later(LOOK_EVERY, self._look, loop) if self._since else None


def _too_large() -> Problem:
    detail = f"a command has at most {LARGEST_BODY} bytes"
    return Problem(413, "too_large", detail, headers={"Connection": "close"})


def _is_json(media: bytes | None) -> bool:
    """Whether it is JSON in the one encoding that JSON has, however its sender likes to write that."""
    kind, _, parameters = (media or b"").lower().partition(b";")
    return kind.strip() == b"application/json" and parameters.replace(b'"', b"").strip() in (
        b"",
        b"charset=utf-8",
    )


def carried(headers: dict[bytes, bytes]) -> dict[str, str]:
    """What the command's events carry of the request's headers. Raises Malformed."""
    found = {}
    for name, known_as in CARRIED.items():
        if (value := headers.get(name)) is not None:
            found[known_as] = _text(known_as, value)
    if "traceparent" in found and not _TRACEPARENT.fullmatch(found["traceparent"]):
        # W3C Trace Context: what can't be parsed is ignored, a trace is never a reason to refuse
        del found["traceparent"]
    if (time := found.get("client_time")) is not None:
        try:
            parse_time(time)
        except BadTime as error:
            raise Malformed("client_time", str(error)) from error
    return found


def _text(field: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Malformed(field, f"the {field.replace('_', ' ')} is not UTF-8") from error
