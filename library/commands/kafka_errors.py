"""Errors of Kafka and of its topics, as commands end with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foundation.cli import exits
from foundation.cli.app import CommandError

if TYPE_CHECKING:
    from foundation.settings import Settings


@contextmanager
def using_kafka(settings: "Settings", advice: str = "") -> Iterator[None]:
    """Raises the errors of Kafka and its topics as CommandErrors; ``advice`` follows those that pass."""
    from confluent_kafka import KafkaException

    from eventstore.errors import ClaimLost
    from eventstore.topics import WrongTopic
    from foundation.cli.unreachable import unreachable
    from foundation.kafka_clients import KafkaUnavailable
    from library.store.offsets import StillOpen

    try:
        yield
    except (WrongTopic, StillOpen) as error:
        raise CommandError(exits.FAILED, str(error)) from error
    except (ClaimLost, KafkaUnavailable) as error:
        raise CommandError(exits.UNAVAILABLE, f"{error}{advice}") from error
    except KafkaException as error:
        raise unreachable(settings, error) from error
