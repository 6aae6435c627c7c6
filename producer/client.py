"""Executes one command: through the first gateway that answers, otherwise with a fence of its own.

All ways write to the same log and look the command's id up there. If one breaks off, trying the
next is safe: the command takes effect once.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from eventstore.headers import ACTOR
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Outcome, OutcomeUnknown, checked_envelope, submit
from foundation.settings import Settings
from foundation.tokens import parse_tokens, token_of
from inventory.commands import Command
from producer.gateway.responses import parse_response

if TYPE_CHECKING:
    from eventstore.append.fence import Fence

CONNECT_TIMEOUT_S = 1.0
"""How long the gateway has to accept a connection."""
GATEWAY_SHARE = 0.5
"""Part of the deadline in which the gateways have to answer; the rest is left for a fence of our own."""
SNAPSHOT_TIMEOUT_S = 5.0
"""How long Kafka has to say which log a snapshot belongs to."""


def execute(
    settings: Settings, command_id: str, command: Command, carried: Mapping[str, str] | None = None
) -> Outcome:
    """Execute a checked command and return its outcome, after about ``settings.deadline`` seconds at most.

    Its events name ``settings.actor``, unless ``carried`` names another. Raises Malformed for a bad id, actor
    or carried header, before it connects to anything.
    """
    command_id, headers = checked_envelope(command_id, {ACTOR: settings.actor, **(carried or {})})
    started = monotonic()
    outcome: Outcome = OutcomeUnknown("no gateway is configured", sent=False)
    may_be_done = False
    for url in settings.gateway_urls:
        outcome = _by_gateway(settings, url, command_id, command, headers)
        if not isinstance(outcome, OutcomeUnknown):
            return outcome
        may_be_done |= outcome.sent
    remaining_s = settings.deadline - (monotonic() - started)
    if remaining_s > 0:
        outcome = _by_own_fence(settings, command_id, command, headers, remaining_s)
    if isinstance(outcome, OutcomeUnknown) and may_be_done:
        return OutcomeUnknown(outcome.reason)
    return outcome


def _by_gateway(
    settings: Settings, url: str, command_id: str, command: Command, carried: Mapping[str, str]
) -> Outcome:
    """Send the command to the gateway at ``url``. OutcomeUnknown also covers no, or no expected, answer."""
    # Imported here because it takes long
    import http.client

    parts = urlsplit(url)
    connection_type = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connection_type(parts.hostname or "", parts.port, timeout=CONNECT_TIMEOUT_S)
    headers: dict[str, str | bytes] = {
        "Content-Type": "application/json",
        "Idempotency-Key": command_id.encode(),
        **{name.replace("_", "-"): value.encode() for name, value in carried.items()},
    }
    if (token := token_of(parse_tokens(settings.token), carried.get(ACTOR, ""))) is not None:
        headers["Authorization"] = f"Bearer {token.secret}"
    connected = False
    try:
        connection.connect()
        connected = True
        connection.sock.settimeout(settings.deadline * GATEWAY_SHARE / len(settings.gateway_urls))
        body = msgspec.json.encode(command)
        connection.request("POST", f"{parts.path.rstrip('/')}/commands", body, headers)
        response = connection.getresponse()
        outcome = parse_response(response.status, dict(response.headers), response.read(), command_id)
        return outcome or OutcomeUnknown(f"{url} answered with status {response.status}")
    except (OSError, http.client.HTTPException) as error:
        return OutcomeUnknown(f"{url}: {error}", sent=connected)
    finally:
        connection.close()


def _by_own_fence(
    settings: Settings, command_id: str, command: Command, carried: Mapping[str, str], deadline_s: float
) -> Outcome:
    # Imported here because a command that the gateway takes needs no Kafka client
    from eventstore.append.fence import Fence

    partition = partition_of(command.isbn, settings.partitions)
    fence = Fence(settings, partition)
    connecting = threading.Thread(target=_connect, args=(fence, deadline_s), daemon=True)
    connecting.start()
    # The fence connects while these are imported
    from confluent_kafka import KafkaException

    from foundation.kafka_clients import why
    from producer.writers import binding, snapshot_of, writer_of

    try:
        snapshot = snapshot_of(settings, partition, binding(settings, min(deadline_s, SNAPSHOT_TIMEOUT_S)))
    except KafkaException as error:
        return OutcomeUnknown(why(settings, error), sent=False)
    connecting.join()
    writer = writer_of(settings, partition, snapshot, fence=fence)
    try:
        (outcome,) = writer.execute([submit(command_id, command, carried)], deadline_s)
        return outcome
    finally:
        writer.close()


def _connect(fence: "Fence", deadline_s: float) -> None:
    from eventstore.append.deadline import Deadline
    from eventstore.errors import ClaimLost

    # The writer meets the same error and reports it
    with suppress(ClaimLost):
        fence.prepare(Deadline(deadline_s))
