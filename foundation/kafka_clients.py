"""What every librdkafka client of the project is configured with, and how its errors read."""

import logging
import time
from typing import Any

from foundation.settings import Settings

UNUSED = "unused"
"""Ends the group id of readers that keep no place: librdkafka looks a group up even then, so it needs a
name that an ACL can allow."""

_quiet = logging.getLogger("librdkafka")
# Else Python prints what nobody has asked for on stderr
_quiet.addHandler(logging.NullHandler())


class KafkaUnavailable(Exception):
    """Kafka did not answer within the deadline; the message names the address and the time."""


def client_config(settings: Settings) -> dict[str, Any]:
    """Connection and security for librdkafka clients.

    With a logger librdkafka stays off stderr while the broker is away; callers report errors themselves.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka,
        "client.id": "library",
        "logger": _quiet,
        "log_level": 3,
        "socket.keepalive.enable": True,
        "socket.connection.setup.timeout.ms": 5000,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 500,
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
    """The same for consumers: committed events only, and no stall after a full fetch queue.

    Whoever keeps a place sets another ``group.id``.

    librdkafka's ``fetch.queue.backoff.ms`` of 1000 makes replays pause for a second at a time.
    """
    return client_config(settings) | {
        "group.id": f"{settings.name}-{UNUSED}",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 50,
        "fetch.error.backoff.ms": 20,
    }


def why(settings: Settings, error: Exception, limit: float = 5.0) -> str:
    """What a failed call means, in a sentence.

    A broker that turns our password down, or whose certificate we do, looks like one that is away:
    librdkafka raises a time-out and tells the reason only to a callback. So where there is security a client
    of its own asks once more, for at most ``limit`` seconds.
    """
    from confluent_kafka import KafkaError, KafkaException

    cause = error.args[0] if error.args else error
    if not isinstance(cause, KafkaError):
        return (
            why(settings, error.__cause__, limit)
            if isinstance(error.__cause__, KafkaException)
            else str(error)
        )
    away = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
    if settings.kafka_security != "PLAINTEXT" and cause.code() in away:
        return _turned_down(settings, limit) or cause.str()
    if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return f"{cause.str()}: `library topics create` makes the topics"
    return cause.str()


def _turned_down(settings: Settings, limit: float) -> str:
    from confluent_kafka import KafkaError, Producer

    heard: list[KafkaError] = []
    client = Producer(client_config(settings) | {"error_cb": heard.append, "log_level": 0})
    end = time.monotonic() + limit
    while time.monotonic() < end:
        client.poll(0.1)
        for error in heard:
            if error.code() == KafkaError._AUTHENTICATION:
                return (
                    f"it turns user {settings.kafka_username!r} down: check LIBRARY_KAFKA_USERNAME, "
                    "LIBRARY_KAFKA_PASSWORD and LIBRARY_KAFKA_SASL_MECHANISM"
                )
            if error.code() == KafkaError._SSL:
                return (
                    f"its certificate is not trusted ({_short(error.str())}): name the file of the "
                    "authority's certificate in LIBRARY_KAFKA_CA"
                )
    return ""


def _short(text: str) -> str:
    """librdkafka's sentence without the connection before it and the time behind it."""
    return text.partition(": ")[2].partition(" (after")[0] or text
