"""Why a writer must begin again, and Kafka's errors as that reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from confluent_kafka import KafkaError, KafkaException

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
    KafkaError.UNSUPPORTED_VERSION,
}
NEW_TOPIC = 2.0
"""Seconds after which every broker knows of a topic that was made."""


class ClaimLost(Exception):
    """What was known of the partition may no longer hold: fence, read and look the ids up again.

    ``error`` is Kafka's, where one was the cause.
    """

    def __init__(self, reason: str, error: KafkaError | None = None) -> None:
        super().__init__(f"{reason}: {error.name()}, {error.str()}" if error else reason)
        self.error = error

    @property
    def taken_over(self) -> bool:
        """Another writer has fenced this one, or is about to; the connections are sound.

        A transaction that timed out looks the same, and has the same remedy.
        """
        return self.error is not None and self.error.code() in _TAKEN_OVER

    @property
    def hopeless_after(self) -> float:
        """Seconds after which trying again would still end the same way."""
        code = self.error.code() if self.error is not None else None
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return NEW_TOPIC
        return 0.0 if code in _HOPELESS else inf


class WrongStore(ClaimLost):
    """The topic is not the one that the settings describe: titles would be looked for in other partitions."""

    @property
    def hopeless_after(self) -> float:
        """At once."""
        return 0.0


class StateLost(ClaimLost):
    """The state itself must not be used any more; a snapshot may."""


class OtherLog(StateLost):
    """The log does not hold what was read from it before: it was replaced, restored, or has lost its end."""


@contextmanager
def lost_on_error(doing: str) -> Iterator[None]:
    """Turn Kafka's errors, of which there are many with one remedy, into ClaimLost."""
    try:
        yield
    except KafkaException as error:
        raise ClaimLost(f"{doing} failed", error.args[0]) from error
    except SystemError as error:
        # A fatal error raised inside flush() meets the delivery callbacks that still run, and arrives so
        if not isinstance(error.__cause__, KafkaException):
            raise
        raise ClaimLost(f"{doing} failed", error.__cause__.args[0]) from error
