"""The gateways' group while Kafka does not answer."""

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from foundation.settings import Settings
from producer.gateway.sharing import membership
from producer.gateway.sharing.membership import Membership


def test_a_client_whose_description_of_the_group_failed_is_replaced(monkeypatch):
    made: list[Any] = []

    class StoppedKafka:
        def __init__(self, config: dict[str, Any]) -> None:
            made.append(self)

        def describe_consumer_groups(self, names: list[str], request_timeout: float) -> Any:
            late: Future[Any] = Future()
            late.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
            return dict.fromkeys(names, late)

    monkeypatch.setattr(membership, "AdminClient", StoppedKafka)
    alone = Membership(Settings(), "http://127.0.0.1:8081")
    alone._look()
    alone._look()
    assert len(made) == 2
