"""What every librdkafka client of the project is configured with, and how its errors read."""

import logging
from typing import Any

from schemas.settings import Settings

_quiet = logging.getLogger("librdkafka")


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

    librdkafka's ``fetch.queue.backoff.ms`` of 1000 makes replays pause for a second at a time.
    """
    return client_config(settings) | {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 50,
        "fetch.error.backoff.ms": 20,
    }
