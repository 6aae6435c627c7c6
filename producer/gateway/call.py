"""One command to one gateway over HTTP."""

import http.client
from collections.abc import Mapping
from time import monotonic, sleep
from urllib.parse import urlsplit

import msgspec

from eventstore.headers import ACTOR
from eventstore.state.outcomes import Outcome, OutcomeUnknown
from foundation.settings import Settings
from foundation.tokens import parse_tokens, token_of
from inventory.commands import Command
from inventory.patrons import PatronCommand
from producer.gateway.expiry import CLOCKS_APART_S, EXPIRY_HEADER, TIME_PATH, expiry_after
from producer.gateway.patron_responses import PatronResult, parse_patron
from producer.gateway.responses import parse_response
from schemas.times import BadTime

CONNECT_TIMEOUT_S = 1.0
"""How long the gateway has to accept a connection."""
TIME_TIMEOUT_S = 2.0
"""How long it has to say its time. A frozen gateway gets no command."""
LONGEST_EXPIRY_S = 5.0
"""After which it does not begin to decide the command: for so long we wait if the connection breaks."""


def call_gateway(
    settings: Settings,
    url: str,
    command_id: str,
    command: Command,
    carried: Mapping[str, str],
    seconds: float,
) -> Outcome:
    """Send the command to the gateway at ``url``, which has about ``seconds`` for its answer.

    OutcomeUnknown also covers no, or no expected, answer. It is returned when the gateway can't begin to
    decide the command any more: what another writer says then is final.
    """
    connection, path = _connection(url)
    allowed_s = min(LONGEST_EXPIRY_S, max(seconds / 2, seconds - CLOCKS_APART_S))
    try:
        try:
            connection.connect()
            _limit(connection, min(TIME_TIMEOUT_S, seconds))
            expiry = expiry_after(_time_of(connection, path), allowed_s)
            # The gateway read its clock before this: by ours it expires at this time at the latest
            expires = monotonic() + allowed_s
        except (OSError, http.client.HTTPException, msgspec.MsgspecError, BadTime) as error:
            return OutcomeUnknown(f"{url}: {error}", sent=False)
        headers = _headers(settings, command_id, carried) | {EXPIRY_HEADER: expiry}
        try:
            _limit(connection, seconds)
            connection.request("POST", f"{path}/commands", msgspec.json.encode(command), headers)
            response = connection.getresponse()
            body = response.read()
            outcome = parse_response(response.status, dict(response.headers), body, command_id)
            if outcome is None:
                rejected = 400 <= response.status < 500
                outcome = OutcomeUnknown(f"{url} answered with status {response.status}", sent=not rejected)
        except (OSError, http.client.HTTPException) as error:
            outcome = OutcomeUnknown(f"{url}: {error}")
    finally:
        connection.close()
    if isinstance(outcome, OutcomeUnknown) and outcome.sent:
        sleep(max(0.0, expires + CLOCKS_APART_S - monotonic()))
    return outcome


def call_gateway_about_patron(
    settings: Settings, url: str, command_id: str, command: PatronCommand, seconds: float
) -> PatronResult:
    """Send a command about a borrower to the gateway at ``url``, which has ``seconds`` for its answer.

    OutcomeUnknown also covers no, or no expected, answer. Any such command may be repeated anywhere. Raises
    Malformed, and NoNames for a store that can't forget anybody.
    """
    connection, path = _connection(url)
    try:
        connection.connect()
        _limit(connection, seconds)
        body = msgspec.json.encode(command)
        connection.request("POST", f"{path}/commands", body, _headers(settings, command_id, {}))
        response = connection.getresponse()
        return parse_patron(response.status, response.read(), url)
    except (OSError, http.client.HTTPException) as error:
        return OutcomeUnknown(f"{url}: {error}")
    finally:
        connection.close()


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not open yet, and the path that all of the gateway's paths begin with."""
    parts = urlsplit(url)
    connection_type = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connection_type(parts.hostname or "", parts.port, timeout=CONNECT_TIMEOUT_S)
    return connection, parts.path.rstrip("/")


def _limit(connection: http.client.HTTPConnection, seconds: float) -> None:
    """Limit each wait for the server from now on, also on the next connection if it has closed this one."""
    connection.timeout = seconds
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


class _Clock(msgspec.Struct, frozen=True):
    time: str


def _time_of(connection: http.client.HTTPConnection, path: str) -> str:
    """The gateway's time. Raises HTTPException for another status than 200."""
    connection.request("GET", path + TIME_PATH)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise http.client.HTTPException(f"status {response.status} for {TIME_PATH}")
    return msgspec.json.decode(body, type=_Clock).time


def _headers(settings: Settings, command_id: str, carried: Mapping[str, str]) -> dict[str, str | bytes]:
    headers: dict[str, str | bytes] = {
        "Content-Type": "application/json",
        "Idempotency-Key": command_id.encode(),
        **{name.replace("_", "-"): value.encode() for name, value in carried.items()},
    }
    if (token := token_of(parse_tokens(settings.token), carried.get(ACTOR, ""))) is not None:
        headers["Authorization"] = f"Bearer {token.secret}"
    return headers
