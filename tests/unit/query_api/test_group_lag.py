"""Lag of consumer groups whose description Kafka owes, and the gateways by their URLs."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from query_api.following.source import Source
from query_api.http.group_lag import MOST_GROUPS, GroupLags


class StoppedKafka:
    """A source whose descriptions of groups time out; all else answers."""

    events, gateways, own_groups = "library.events", "library-gateways", "library-"

    def __init__(self, *listed: str) -> None:
        self._listed = listed

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
        listed.set_result(SimpleNamespace(valid=[SimpleNamespace(group_id=g) for g in self._listed]))
        return listed

    def committed(self, groups: list[str], timeout: float) -> dict[str, dict[int, int]]:
        return {group: {0: 3} for group in groups}

    def describe(self, groups: list[str], timeout_s: float) -> dict[str, KafkaException]:
        return {group: KafkaException(KafkaError(KafkaError._TIMED_OUT)) for group in groups}

    def description(self, group: str, timeout_s: float) -> Any:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


class Gateways(StoppedKafka):
    """A source whose group of gateways has members: client ids, each with its partitions."""

    def __init__(self, *members: tuple[str, list[int]]) -> None:
        self._members = members

    def description(self, group: str, timeout_s: float) -> Any:
        assert group == self.gateways
        return SimpleNamespace(members=[self._member(*member) for member in self._members])

    def _member(self, client_id: str, partitions: list[int]) -> Any:
        places = [TopicPartition(self.events, partition) for partition in partitions]
        assignment = SimpleNamespace(topic_partitions=places) if places else None
        return SimpleNamespace(client_id=client_id, assignment=assignment)


def test_a_group_that_kafka_does_not_describe_has_a_lag_and_unknown_members():
    lags = GroupLags(cast(Source, StoppedKafka("readers")))
    (group,) = lags.groups()
    assert (group.members, group.lag) == (None, {0: 4})
    with pytest.raises(KafkaException):
        lags.gateways()


def test_a_gateway_is_named_by_its_url_whatever_the_port_of_its_links():
    one, other, third = (f"http://10.0.0.{number}" for number in (5, 6, 7))
    kafka = Gateways((f"{one}#4023", [2]), (f"{other}#4023", [1]), (f"{one}#4099", [0]), (f"{third}#1", []))
    assert GroupLags(cast(Source, kafka)).gateways() == {one: [0, 2], other: [1], third: []}


def test_the_systems_own_groups_are_known_among_hundreds_of_others():
    others = [f"a-foreign-{number}" for number in range(MOST_GROUPS)]
    lags = GroupLags(cast(Source, StoppedKafka(*others, "library-projector")))
    assert "library-projector" in {group.name for group in lags.groups()}
