"""Executes one command: through the first gateway that answers, otherwise with a fence of its own.

All ways write to the same log and look the command's id up there. If one breaks off, the next is tried once
the first can't begin any more: the command takes effect once, and a refusal is final.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from eventstore.headers import ACTOR
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Outcome, OutcomeUnknown, checked_envelope, submit
from foundation.settings import Settings
from inventory.commands import Command
from inventory.patrons import PatronCommand

if TYPE_CHECKING:
    from eventstore.append.fence import Fence
    from producer.names.forgetting import PatronResult
    from producer.names.names import Names

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
    share_s = settings.deadline * GATEWAY_SHARE / max(1, len(settings.gateway_urls))
    for url in settings.gateway_urls:
        # Imported here because it takes long
        from producer.gateway.call import call_gateway

        outcome = call_gateway(settings, url, command_id, command, headers, share_s)
        if not isinstance(outcome, OutcomeUnknown):
            return outcome
        may_be_done |= outcome.sent
    remaining_s = settings.deadline - (monotonic() - started)
    if remaining_s > 0:
        outcome = _by_own_fence(settings, command_id, command, headers, remaining_s)
    if isinstance(outcome, OutcomeUnknown) and may_be_done:
        return OutcomeUnknown(outcome.reason)
    return outcome


def execute_about_patron(settings: Settings, command_id: str, command: PatronCommand) -> "PatronResult":
    """Carry out a checked command about a borrower, through a gateway or by fences of our own.

    Repeating it has no second effect, whatever its id is. Raises Malformed for a user id that looks like a
    token, and ``producer.gateway.patron_responses.NoNames`` for a store that can't forget anybody.
    """
    from producer.gateway.call import call_gateway_about_patron

    started = monotonic()
    for url in settings.gateway_urls:
        result = call_gateway_about_patron(settings, url, command_id, command, settings.deadline)
        if not isinstance(result, OutcomeUnknown):
            return result
    return _about_patron(settings, command, max(1.0, settings.deadline - (monotonic() - started)))


def _about_patron(settings: Settings, command: PatronCommand, deadline_s: float) -> "PatronResult":
    from confluent_kafka import KafkaException

    from foundation.kafka_clients import why
    from producer.gateway.patron_responses import NoNames
    from producer.names.boundary import require_no_token
    from producer.names.forgetting import carry_out
    from producer.writers import open_names

    try:
        names = open_names(settings, min(deadline_s, SNAPSHOT_TIMEOUT_S), command.user_id)
    except KafkaException as error:
        return OutcomeUnknown(why(settings, error), sent=False)
    if names is None:
        raise NoNames
    require_no_token(command)
    try:
        return carry_out(names, command, deadline_s)
    finally:
        names.close()


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
    from producer.names.boundary import require_no_token
    from producer.writers import binding, open_names, snapshot_of, writer_of

    returned = list[str]()
    timeout_s = min(deadline_s, SNAPSHOT_TIMEOUT_S)
    try:
        with ThreadPoolExecutor(1) as thread:
            # Reading the names takes seconds for a million: a command without a borrower needs none, and one
            # that names its borrower no others. A return of any loan may end the erasure of anybody
            naming, only = "user_id" in command.__struct_fields__, getattr(command, "user_id", None) or ""
            asked = thread.submit(open_names, settings, timeout_s, only) if naming else None
            snapshot = snapshot_of(settings, partition, binding(settings, timeout_s))
            names = None if asked is None else asked.result()
    except KafkaException as error:
        return OutcomeUnknown(why(settings, error), sent=False)
    connecting.join()
    if names is not None:
        require_no_token(command)
    writer = writer_of(settings, partition, snapshot, names=names, returned=returned.append, fence=fence)
    try:
        (outcome,) = writer.execute([submit(command_id, command, carried)], deadline_s)
    finally:
        writer.close()
    if names is not None:
        _end_erasures(names, returned, deadline_s)
        names.close()
    return outcome


def _end_erasures(names: "Names", returned: list[str], deadline_s: float) -> None:
    """End those that have waited for this return; where that fails, the next gateway does it."""
    from producer.names.forgetting import finish

    for token, closing in list(names.directory.closing.items()) if returned else ():
        if closing.when_returned and (token in returned or "" in returned):
            finish(names, token, deadline_s)


def _connect(fence: "Fence", deadline_s: float) -> None:
    from eventstore.append.deadline import Deadline
    from eventstore.errors import ClaimLost

    # The writer meets the same error and reports it
    with suppress(ClaimLost):
        fence.prepare(Deadline(deadline_s))
