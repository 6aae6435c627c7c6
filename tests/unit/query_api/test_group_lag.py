"""Lag of consumer groups whose description Kafka owes."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from query_api.following.source import Source
from query_api.http.group_lag import GroupLags


class StoppedKafka:
    """A source whose descriptions of groups time out; all else answers."""

    events, gateways = "library.events", "library-gateways"

    @property
    def admin(self) -> "StoppedKafka":
        return self

    def group_describer(self) -> "StoppedKafka":
        return self

    def event_ends(self, timeout: float) -> tuple[int, ...]:
        return (7,)

    def beginnings(self, timeout: float) -> dict[int, int]:
        return {0: 0}

    def list_consumer_groups(self, request_timeout: float) -> Any:
        listed: Future[Any] = Future()
        listed.set_result(SimpleNamespace(valid=[SimpleNamespace(group_id="readers")]))
        return listed

    def committed(self, groups: list[str], timeout: float) -> dict[str, dict[int, int]]:
        return {"readers": {0: 3}}

    def describe(self, groups: list[str], timeout_s: float) -> dict[str, KafkaException]:
        return {group: KafkaException(KafkaError(KafkaError._TIMED_OUT)) for group in groups}

    def description(self, group: str, timeout_s: float) -> Any:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def test_a_group_that_kafka_does_not_describe_has_a_lag_and_unknown_members():
    lags = GroupLags(cast(Source, StoppedKafka()))
    (group,) = lags.groups()
    assert (group.members, group.lag) == (None, {0: 4})
    with pytest.raises(KafkaException):
        lags.gateways()
