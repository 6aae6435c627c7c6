"""From an HTTP request to a checked command. Errors in a request are found as early as possible."""

import re
from hmac import compare_digest
from typing import Any, get_args

from msgspec.structs import fields

from eventstore.headers import ACTOR, CARRIED
from eventstore.state.outcomes import Submitted, checked_actor, submit
from foundation.http.callers import AllowedHosts
from foundation.http.headers import header_text, require_no_encoding, unique_headers
from foundation.http.json_body import is_json
from foundation.http.problem import Problem
from foundation.http.targets import check_query
from foundation.json_names import require_unique_names
from foundation.settings import Settings
from foundation.text import Malformed
from foundation.tokens import parse_tokens
from inventory import commands
from producer.gateway.bodies import BodyReader
from producer.gateway.expiry import EXPIRY_HEADER, parse_expiry
from producer.gateway.responses import OTHER_ACTOR
from schemas.times import BadTime, parse_time

_CARRIED = {name.replace("_", "-").encode(): name for name in CARRIED}
"""Request headers that each event of the command carries, by their names there."""
_EXPIRY = EXPIRY_HEADER.lower().encode()
_UNIQUE = (
    b"host",
    b"origin",
    b"idempotency-key",
    b"content-type",
    b"content-encoding",
    b"authorization",
    _EXPIRY,
    *_CARRIED,
)

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_JSON_TYPES = {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
_MEMBERS = sorted({"type"}.union(*(kind.__struct_fields__ for kind in get_args(commands.AnyCommand))))
_MAY_REPEAT = re.compile(rb'\\|"(%s)".*"\1"' % "|".join(_MEMBERS).encode(), re.DOTALL)
"""Bodies in which a member's name, or what looks like one, occurs twice, or may be written with escapes."""
_FEWEST_QUOTES = {
    kind: 4 + sum(4 if field.type is str else 2 for field in fields(kind) if field.required)
    for kind in get_args(commands.AnyCommand)
}
"""Quotation marks in a command without optional members: every further member has at least two."""


class RequestReader:
    """Reads requests for commands. All methods raise Problem for a request that is not acceptable."""

    def __init__(self, settings: Settings, hosts: AllowedHosts | None = None) -> None:
        self._hosts = hosts or AllowedHosts(settings)
        self._bodies = BodyReader()
        self._tokens = [(name, f"Bearer {secret}".encode()) for name, secret in parse_tokens(settings.token)]

    async def read(self, scope: Any, receive: Any) -> Submitted:
        """The command in a request, its ASGI scope first."""
        headers = unique_headers(scope["headers"], _UNIQUE)
        host, origin = header_text(headers.get(b"host")), header_text(headers.get(b"origin"))
        self._hosts.check(host, origin, scope["http_version"])
        check_query(scope["query_string"], ())
        user = self._authorize(headers)
        if (media_type := headers.get(b"content-type")) not in _JSON_TYPES and not is_json(media_type or b""):
            detail = "a command is sent as Content-Type: application/json"
            raise Problem(415, "unsupported_media_type", detail, headers={"Accept-Post": "application/json"})
        require_no_encoding(headers)
        if b"if-match" in headers:
            detail = "commands have no entity tag: the rules decide on the newest state, without If-Match"
            raise Problem(412, "precondition_failed", detail)
        key = headers.get(b"idempotency-key")
        if key is None:
            detail = (
                "the header Idempotency-Key is missing: choose an id, and repeat the command with the same"
            )
            raise Problem(400, "no_key", detail, field="Idempotency-Key")
        body = await self._bodies.read(headers.get(b"content-length"), receive)
        try:
            command = commands.from_json(body)
            check_names(command, body)
            carried = carried_headers(headers)
            if user:
                carried[ACTOR] = _actor(user, carried.get(ACTOR, ""))
            expiry = headers.get(_EXPIRY)
            expires_at_ms = None if expiry is None else parse_expiry(_decode(EXPIRY_HEADER, expiry))
            return submit(_decode("command_id", key), command, carried, expires_at_ms)
        except Malformed as error:
            raise malformed(error) from error

    def authorize(self, scope: Any) -> None:
        """Check the token of a request, where one is required."""
        self._authorize(unique_headers(scope["headers"], _UNIQUE))

    def _authorize(self, headers: dict[bytes, bytes]) -> str:
        """The name of the request's token; empty where it has none, or where no token is required."""
        if not self._tokens:
            return ""
        given, user = headers.get(b"authorization", b""), None
        # Each is compared: the time must not say which one was nearly right
        for name, required in self._tokens:
            if compare_digest(given, required):
                user = name
        if user is None:
            raise Problem(
                401,
                "no_token",
                "the gateway requires a token: Authorization: Bearer <one of the setting `token`>",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return user


def _actor(user: str, said: str) -> str:
    """The name of the token's user. Raises Problem where the request names somebody else, and Malformed."""
    if checked_actor(said) not in ("", user):
        detail = f"this token is of {user!r}: leave the header Actor out, or send a token of {said[:40]!r}"
        raise Problem(403, OTHER_ACTOR, detail)
    return user


def malformed(error: Malformed) -> Problem:
    """The problem document of a malformed command, with the field."""
    field = {"command_id": "Idempotency-Key", ACTOR: "Actor"}.get(error.field, error.field)
    return Problem(400, "malformed", str(error), field=field)


def carried_headers(headers: dict[bytes, bytes]) -> dict[str, str]:
    """The request's headers that the command's events keep. Raises Malformed."""
    carried = {}
    for header, name in _CARRIED.items():
        if (value := headers.get(header)) is not None:
            carried[name] = _decode(name, value)
    if "traceparent" in carried and not _TRACEPARENT.fullmatch(carried["traceparent"]):
        # W3C Trace Context: one that can't be parsed is ignored, a trace is never a reason to refuse
        del carried["traceparent"]
    if (time := carried.get("client_time")) is not None:
        try:
            parse_time(time)
        except BadTime as error:
            raise Malformed("client_time", str(error)) from error
    return carried


def check_names(command: commands.AnyCommand, body: bytes) -> None:
    """Refuse a command in which a member occurs twice: parsers differ in which of them they take.

    Raises Malformed. For most bodies it is enough to count quotation marks, which takes 0.1 µs. Parsing each
    again with ``json`` would take 3, a fifth of a command's time on the event loop. The shortcuts may go with
    that difference; tests/unit/producer/test_requests.py holds without them.
    """
    if body.count(b'"') > _FEWEST_QUOTES[type(command)] and _MAY_REPEAT.search(body) is not None:
        require_unique_names(body)


def _decode(field: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Malformed(field, f"the {field.replace('_', ' ')} is not UTF-8") from error
