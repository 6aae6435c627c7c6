"""One command carried out: by the gateway where one answers, else through a fence of our own.

Both ways lead to the same log and look the command's id up there, so going on with the second after the first
broke off is safe: the command is done once.
"""

import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from eventstore.partitions import partition_of
from eventstore.state.outcomes import Outcome, OutcomeUnknown, Submitted
from foundation.settings import Settings
from producer.gateway.responses import outcome as read_outcome

if TYPE_CHECKING:
    from eventstore.append.fence import Fence

CONNECTING = 1.0
"""Seconds that the gateway has to accept a connection."""
SHARE = 0.5
"""Of the deadline, that the gateway has to answer: one that is frozen must not be waited for to the end."""


def execute(settings: Settings, submitted: Submitted) -> Outcome:
    """The outcome of one command, after about ``settings.deadline`` seconds at most."""
    started = monotonic()
    said = _by_gateway(settings, submitted) if settings.gateway else _NOTHING_SENT
    if not isinstance(said, OutcomeUnknown):
        return said
    left = settings.deadline - (monotonic() - started)
    if left <= 0:
        return said
    outcome = _by_own_fence(settings, submitted, left)
    if isinstance(outcome, OutcomeUnknown) and said.sent:
        return OutcomeUnknown(outcome.reason)
    return outcome


_NOTHING_SENT = OutcomeUnknown("no gateway was asked", sent=False)


def _by_gateway(settings: Settings, submitted: Submitted) -> Outcome:
    """What the gateway says; OutcomeUnknown too when it does not answer, or says nothing of the outcome."""
    # Late: it is not quickly imported
    import http.client

    parts = urlsplit(settings.gateway)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CONNECTING)
    headers: dict[str, str | bytes] = {
        "Content-Type": "application/json",
        "Idempotency-Key": submitted.command_id.encode(),
        **{name.replace("_", "-"): value.encode() for name, value in submitted.carried.items()},
    }
    if settings.token:
        headers["Authorization"] = f"Bearer {settings.token}"
    connected = False
    try:
        connection.connect()
        connected = True
        connection.sock.settimeout(settings.deadline * SHARE)
        body = msgspec.json.encode(submitted.command)
        connection.request("POST", f"{parts.path.rstrip('/')}/commands", body, headers)
        answer = connection.getresponse()
        outcome = read_outcome(answer.status, dict(answer.headers), answer.read(), submitted.command_id)
        return outcome or OutcomeUnknown(f"{settings.gateway} answered with status {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        return OutcomeUnknown(f"{settings.gateway}: {error}", sent=connected)
    finally:
        connection.close()


def _by_own_fence(settings: Settings, submitted: Submitted, seconds: float) -> Outcome:
    # Late: a command that the gateway takes needs no Kafka client
    from eventstore.append.fence import Fence

    partition = partition_of(submitted.command.isbn, settings.partitions)
    fence = Fence(settings, partition)
    connecting = threading.Thread(target=_connect, args=(fence, seconds), daemon=True)
    connecting.start()
    # Meanwhile
    from confluent_kafka import KafkaException

    from eventstore.append.writer import Writer
    from eventstore.state.snapshot import Snapshot, binding
    from foundation.kafka_clients import why

    try:
        snapshot = Snapshot(settings, partition, binding(settings, min(seconds, 5.0)))
    except KafkaException as error:
        return OutcomeUnknown(why(settings, error), sent=False)
    connecting.join()
    writer = Writer(settings, partition, snapshot, fence=fence)
    try:
        (outcome,) = writer.execute([submitted], seconds)
        return outcome
    finally:
        writer.close()


def _connect(fence: "Fence", seconds: float) -> None:
    from eventstore.append.deadline import Deadline
    from eventstore.errors import ClaimLost

    # The writer will meet it again, and say so
    with suppress(ClaimLost):
        fence.prepare(Deadline(seconds))
