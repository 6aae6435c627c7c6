"""The Kafka security settings in Faust's terms."""

import ssl

import faust

from foundation.settings import Settings


def broker_credentials(settings: Settings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """The credentials of the consumer and the producers; None for a plaintext connection."""
    context = None
    if settings.kafka_security.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.kafka_ca or None)
    if settings.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_username,
            password=settings.kafka_password,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
