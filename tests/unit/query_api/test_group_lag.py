"""Descriptions of groups that fail: the client that asked is not used again."""

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

    def __init__(self) -> None:
        self.made = 0

    @property
    def admin(self) -> "StoppedKafka":
        return self

    def new_admin(self) -> "StoppedKafka":
        self.made += 1
        return self

    def event_ends(self, timeout: float) -> tuple[int, ...]:
        return (7,)

    def beginnings(self, timeout: float) -> dict[int, int]:
        return {0: 0}

    def list_consumer_groups(self, request_timeout: float) -> Any:
        return done(SimpleNamespace(valid=[SimpleNamespace(group_id="readers")]))

    def committed(self, groups: list[str], timeout: float) -> dict[str, dict[int, int]]:
        return {"readers": {0: 3}}

    def describe_consumer_groups(self, names: list[str], request_timeout: float) -> Any:
        return {name: late() for name in names}


def done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def late() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    return future


def test_a_client_whose_description_of_a_group_failed_is_replaced():
    source = StoppedKafka()
    lags = GroupLags(cast(Source, source))
    for made in (1, 2):
        (group,) = lags.groups()
        assert (group.members, group.lag) == (None, {0: 4})
        assert source.made == made
    for made in (3, 4):
        with pytest.raises(KafkaException):
            lags.gateways()
        assert source.made == made
