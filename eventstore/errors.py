"""The reasons for which a writer starts over, with Kafka's errors among them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

T = TypeVar("T")

_TAKEN_OVER = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.CONCURRENT_TRANSACTIONS,
}
_HOPELESS = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.UNSUPPORTED_VERSION,
}
NEW_TOPIC_S = 2.0
"""After this time every broker knows a topic that was created."""


class ClaimLost(Exception):
    """The claim on the partition may be lost: claim, read and look up the command ids again.

    ``error`` is Kafka's error, if one was the cause.
    """

    def __init__(self, reason: str, error: KafkaError | None = None) -> None:
        super().__init__(f"{reason}: {error.name()}, {error.str()}" if error else reason)
        self.error = error

    @property
    def taken_over(self) -> bool:
        """Whether another writer has fenced this one, or is about to. The connections are then sound.

        A transaction that timed out looks the same and has the same remedy.
        """
        return self.error is not None and self.error.code() in _TAKEN_OVER

    @property
    def hopeless_after(self) -> float:
        """Seconds after which a retry would still fail in the same way."""
        code = self.error.code() if self.error is not None else None
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return NEW_TOPIC_S
        return 0.0 if code in _HOPELESS else inf


class WrongStore(ClaimLost):
    """The topic differs from the settings: streams would be looked up in the wrong partitions."""

    @property
    def hopeless_after(self) -> float:
        """At once."""
        return 0.0


class EventsLost(WrongStore):
    """The log ends before events that this process has read from it: every decision would forget them."""


class StateLost(ClaimLost):
    """The state must not be used any more; a snapshot may be."""


class OtherLog(StateLost):
    """The log differs from the one that was read before: it was replaced or restored.

    Also if it ends before a snapshot of an earlier process.
    """


@contextmanager
def lost_on_error(doing: str) -> Iterator[None]:
    """Turn Kafka's errors into ClaimLost: there are many, and the remedy is the same.

    They lose their tracebacks: see ``tried``.
    """
    try:
        yield
    except KafkaException as error:
        raise ClaimLost(f"{doing} failed", error.args[0]) from error.with_traceback(None)
    except SystemError as error:
        # A fatal error inside flush() surfaces while delivery callbacks still run, and arrives like this
        if not isinstance(error.__cause__, KafkaException):
            raise
        raise ClaimLost(f"{doing} failed", error.__cause__.args[0]) from error.with_traceback(None)


def tried(work: Callable[[], T]) -> T | ClaimLost:
    """The result of ``work``, or the ClaimLost that it raised, as a value without a traceback.

    Who goes on with Kafka after a lost claim must not do so in an ``except`` clause. An error that
    confluent-kafka 2.16 raises there refers to the one that is handled, and nothing drops that reference
    (``KafkaError`` has a ``__context__`` that its deallocation does not know). Nor does it ever free an
    exception that a callback has raised. The frames of a traceback would then keep each lost producer, with
    its threads and connections, until the process ends.
    """
    try:
        return work()
    except ClaimLost as lost:
        return lost.with_traceback(None)
