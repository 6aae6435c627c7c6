"""Changes the record that says which table counts, by conditional append."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from eventstore.append.deadline import Deadline
from eventstore.append.fence import Fence, Record
from eventstore.errors import ClaimLost, tried
from schemas.tables import KEY, Tables, record_before, record_end, tables_topic

if TYPE_CHECKING:
    from foundation.settings import Settings

RETRY_INTERVAL_S = 0.05
_REQUEST_TIMEOUT_S = 5.0


class NotChanged(Exception):
    """The record could not be written within the deadline; the message says why. Repeating does no harm."""


def change_tables(settings: "Settings", decide: Callable[[Tables], Tables]) -> Tables:
    """Replace the record by what ``decide`` makes of it, and return it. Nothing is written without a change.

    ``decide`` may be called several times: after a commit whose outcome is unknown it gets what was
    committed, and after another program's change what that one wrote. Its exceptions end the attempts.
    Raises NotChanged, WrongTopic, and as ``read_partition``.
    """
    admin_settings = msgspec.structs.replace(settings, partitions=1)
    admin, topic = _client(settings), tables_topic(settings)
    create_record_topic(admin, settings)
    fence, deadline = Fence(admin_settings, 0, topic), Deadline(settings.deadline)

    def attempt() -> Tables:
        fence.claim(deadline)
        # After the claim no earlier transaction can still commit: the end is final
        end = record_end(admin, settings, _REQUEST_TIMEOUT_S, committed=False) or 0
        before = record_before(settings, end)
        after = decide(before)
        if after == before:
            return before
        after = msgspec.structs.replace(after, changed_at=int(time.time() * 1000))
        record = Record(KEY, msgspec.json.encode(after), after.changed_at, [])
        (offset,) = fence.deliver([record], deadline)
        if offset != end:
            # A frozen broker may have answered with an old end
            raise ClaimLost(f"the record was read up to {end} and would be written at {offset}")
        fence.commit(deadline)
        return after

    while isinstance(result := tried(attempt), ClaimLost):
        fence.lose()
        if deadline.passes_within(RETRY_INTERVAL_S) or deadline.spent > result.hopeless_after:
            raise NotChanged(f"{topic} can't be written: {result}. Repeat the command") from result
        time.sleep(RETRY_INTERVAL_S)
    return result


def create_record_topic(admin: AdminClient, settings: "Settings") -> None:
    """Create the record's topic unless it exists. Raises KafkaException."""
    if record_end(admin, settings, _REQUEST_TIMEOUT_S) is not None:
        return
    topic = tables_topic(settings)
    new = NewTopic(topic, 1, settings.replication, config={"cleanup.policy": "compact"})
    try:
        admin.create_topics([new], operation_timeout=_REQUEST_TIMEOUT_S)[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _client(settings: "Settings") -> AdminClient:
    from foundation.kafka_clients import client_config

    return AdminClient(client_config(settings))
