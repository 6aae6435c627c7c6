"""The error of a command that can't use Kafka."""

from typing import TYPE_CHECKING

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from foundation.settings import Settings


def unreachable(
    settings: "Settings", error: Exception, create_topics: str = "library topics create"
) -> CommandError:
    """An error that names the missing topic or ACL, or says how to start a Kafka or name another.

    ``create_topics`` is the command that makes the topics.
    """
    from confluent_kafka import KafkaError

    from foundation.kafka_clients import is_refusal, why

    cause = error.args[0]
    if isinstance(cause, KafkaError) and cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return CommandError(exits.UNAVAILABLE, why(settings, error, create_topics=create_topics))
    if is_refusal(error):
        return CommandError(exits.UNAVAILABLE, f"Kafka at {settings.kafka}: {why(settings, error)}")
    return CommandError(
        exits.UNAVAILABLE,
        f"Kafka at {settings.kafka} can't be used: {why(settings, error)}; `library up` starts a system on "
        "this machine, --kafka HOST:PORT names another Kafka",
    )
