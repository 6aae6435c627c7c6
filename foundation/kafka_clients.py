"""Configuration of all librdkafka clients, and their errors as sentences."""

import logging
import time
from typing import TYPE_CHECKING, Any

from foundation.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import Producer

UNUSED = "unused"
"""Last part of the group id of consumers that commit no offsets. librdkafka looks the group up all the same,
and an ACL must be able to allow it."""
AUTHENTICATION_TIMEOUT_S = 5.0
"""How long a client may take to find out that the broker rejects it."""
SETUP_TIMEOUT_MS = 5000
RECONNECT_BACKOFF_MS = 20
RECONNECT_BACKOFF_MAX_MS = 500
FETCH_BACKOFF_MS = 5
FETCH_WAIT_MS = 50
FETCH_ERROR_BACKOFF_MS = 20


_log = logging.getLogger("librdkafka")
# Without a handler Python prints its warnings on stderr
_log.addHandler(logging.NullHandler())


class KafkaUnavailable(Exception):
    """Kafka did not answer within the deadline; the message names the address and the time."""


def client_config(settings: Settings) -> dict[str, Any]:
    """Connection and security of a librdkafka client.

    The logger keeps librdkafka from writing to stderr while the broker is away; callers report errors.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka,
        "client.id": "library",
        "logger": _log,
        "log_level": 3,
        "socket.keepalive.enable": True,
        "socket.connection.setup.timeout.ms": SETUP_TIMEOUT_MS,
        "reconnect.backoff.ms": RECONNECT_BACKOFF_MS,
        "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MAX_MS,
        "allow.auto.create.topics": False,
        "security.protocol": settings.kafka_security,
    }
    if settings.kafka_security.startswith("SASL"):
        config |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_username,
            "sasl.password": settings.kafka_password,
        }
    if settings.kafka_ca:
        config["ssl.ca.location"] = settings.kafka_ca
    return config


def reading_config(settings: Settings) -> dict[str, Any]:
    """The configuration of a consumer: it reads committed records only, and commits no offsets itself.

    A consumer that commits offsets sets another ``group.id``. librdkafka's default of 1000 ms for
    ``fetch.queue.backoff.ms`` would stop a replay for a second whenever its fetch queue is full.
    """
    return client_config(settings) | {
        "group.id": f"{settings.name}-{UNUSED}",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": FETCH_BACKOFF_MS,
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "fetch.error.backoff.ms": FETCH_ERROR_BACKOFF_MS,
    }


def why(
    settings: Settings,
    error: Exception,
    timeout_s: float = AUTHENTICATION_TIMEOUT_S,
    create_topics: str = "library topics create",
) -> str:
    """The reason for a failed call, in a sentence. ``create_topics`` is advised where a topic is missing.

    If the broker rejects our password, or we reject its certificate, librdkafka raises a time-out and passes
    the reason to a callback only. With security configured, a client of its own therefore connects once more,
    for at most ``timeout_s`` seconds.
    """
    from confluent_kafka import KafkaError, KafkaException

    cause = error.args[0] if error.args else error
    if not isinstance(cause, KafkaError):
        return (
            why(settings, error.__cause__, timeout_s, create_topics)
            if isinstance(error.__cause__, KafkaException)
            else str(error)
        )
    unreachable = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
    if settings.kafka_security != "PLAINTEXT" and cause.code() in unreachable:
        return _rejection_reason(settings, timeout_s) or cause.str()
    if is_refusal(error):
        user = f"user {settings.kafka_username!r}" if settings.kafka_username else "this client"
        return (
            f"{cause.str()}: {user} lacks an ACL. `library topics acl` prints the commands for Kafka's "
            "administrator; a new release may need more of them"
        )
    if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return f"{cause.str()}: `{create_topics}` makes the topics"
    return cause.str()


def leave_transaction(producer: "Producer", timeout_s: float) -> None:
    """Abort the transaction that ``producer`` has open, before the producer is dropped.

    librdkafka adds a partition to a transaction some time after ``produce``. If the producer is destroyed at
    that moment, an assertion ends the whole process (``txn_req_cnt > 0``, in librdkafka 2.16). Once an abort
    has begun, no partition is added any more: it is enough even where Kafka does not answer in time.
    """
    from confluent_kafka import KafkaException

    try:
        producer.abort_transaction(timeout_s)
    except KafkaException as error:
        # The transaction ends without us: by the next claim of its id, or by its time-out
        _log.debug("a transaction was left without an abort: %s", error)


def is_refusal(error: Exception) -> bool:
    """Whether Kafka answered that this user may not do it: an ACL is missing."""
    from confluent_kafka import KafkaError

    cause = error.args[0] if error.args else error
    return isinstance(cause, KafkaError) and cause.code() in (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    )


def _rejection_reason(settings: Settings, timeout_s: float) -> str:
    """Why the broker and this client reject each other; empty if neither does."""
    from confluent_kafka import KafkaError, Producer

    errors: list[KafkaError] = []
    client = Producer(client_config(settings) | {"error_cb": errors.append, "log_level": 0})
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        client.poll(0.1)
        for error in errors:
            if error.code() == KafkaError._AUTHENTICATION:
                return (
                    f"it rejects user {settings.kafka_username!r}: check LIBRARY_KAFKA_USERNAME, "
                    "LIBRARY_KAFKA_PASSWORD and LIBRARY_KAFKA_SASL_MECHANISM"
                )
            if error.code() == KafkaError._SSL:
                return (
                    f"its certificate is not trusted ({_short(error.str())}): name the file of the "
                    "authority's certificate in LIBRARY_KAFKA_CA"
                )
    return ""


def _short(text: str) -> str:
    """librdkafka's sentence without the connection before it and the duration after it."""
    return text.partition(": ")[2].partition(" (after")[0] or text
