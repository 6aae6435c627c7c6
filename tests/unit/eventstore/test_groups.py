"""How far a consumer group is behind, and who is asked for its members."""

from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException

from eventstore import groups
from eventstore.groups import LONGEST_TIMEOUT_S, GroupDescriber, delete_group, known_offsets, lag
from foundation.settings import Settings


@pytest.mark.parametrize(
    ("committed", "beginning", "end", "expected"),
    [
        ({0: 3}, {0: 0}, {0: 5}, {0: 2}),
        ({}, {0: 0}, {0: 5}, {0: 5}),
        ({0: 5}, {0: 0}, {0: 5}, {0: 0}),
        ({0: 1}, {0: 4}, {0: 5}, {0: 1}),
        ({}, {0: 4}, {0: 5}, {0: 1}),
        ({0: 9}, {0: 0}, {0: 5}, {0: 0}),
        ({0: 3}, {0: 0, 1: 0}, {0: 5, 1: 2}, {0: 2, 1: 2}),
    ],
    ids=[
        "behind", "without an offset", "at the end", "with an offset that is gone",
        "without an offset in a log that begins later", "with an offset after a truncated end",
        "in several partitions",
    ],
)  # fmt: skip
def test_the_lag_of_a_group(
    committed: dict[int, int], beginning: dict[int, int], end: dict[int, int], expected: dict[int, int]
):
    assert lag(committed, beginning, end) == expected


class Clients:
    """Makes clients of a Kafka that answers every request as ``answer`` does; counts them."""

    def __init__(self, answer: Callable[["Future[Any]"], None]) -> None:
        self.made = 0
        self.timeouts: list[float] = []
        self._answer = answer

    def __call__(self, config: dict[str, Any]) -> "Clients":
        self.made += 1
        return self

    def __len__(self) -> int:
        # As confluent-kafka's, which is therefore false
        return 0

    def describe_consumer_groups(self, names: list[str], request_timeout: float) -> dict[str, "Future[Any]"]:
        self.timeouts.append(request_timeout)
        futures: dict[str, Future[Any]] = {name: Future() for name in names}
        for future in futures.values():
            self._answer(future)
        return futures

    delete_consumer_groups = describe_consumer_groups


def test_a_client_that_waits_for_a_description_is_closed_and_its_request_never_times_out(monkeypatch):
    silent = Clients(lambda future: None)
    monkeypatch.setattr(groups, "AdminClient", silent)
    describer = GroupDescriber(Settings())
    for made in (1, 2):
        with pytest.raises(KafkaException) as raised:
            describer.description("readers", 0.01)
        assert raised.value.args[0].code() == KafkaError._TIMED_OUT
        assert silent.made == made
    assert silent.timeouts == [LONGEST_TIMEOUT_S] * 2


def test_a_client_that_has_its_answer_is_used_again_also_if_it_is_an_error(monkeypatch):
    refused = KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    answering = Clients(lambda future: future.set_exception(refused))
    monkeypatch.setattr(groups, "AdminClient", answering)
    describer = GroupDescriber(Settings())
    for _ in range(2):
        assert describer.describe(["a", "b"], 1) == {"a": refused, "b": refused}
    assert describer.describe([], 1) == {}
    assert answering.made == 1


class Committed:
    """A consumer to which each request is answered with the next of ``answers``."""

    def __init__(self, *answers: list[tuple[int, int | None]] | int) -> None:
        self.answers = list(answers)

    def committed(self, places: list[Any], timeout: float) -> list[Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return [
            SimpleNamespace(
                partition=place.partition, offset=offset, error=None if code is None else KafkaError(code)
            )
            for place, (offset, code) in zip(places, answer, strict=True)
        ]


MOVING = KafkaError.NOT_COORDINATOR, KafkaError.STALE_MEMBER_EPOCH, KafkaError._WAIT_COORD


def test_the_offsets_of_a_group_are_asked_for_again_while_its_coordinator_moves():
    in_a_partition = [[(4, None), (OFFSET_INVALID, code)] for code in MOVING]
    consumer: Any = Committed(*MOVING, *in_a_partition, [(4, None), (OFFSET_INVALID, None)])
    assert known_offsets(consumer, "events", [0, 1], 60) == {0: 4}
    assert consumer.answers == []


def test_a_partition_whose_offset_can_not_be_read_does_not_look_like_one_without_an_offset():
    failed = [(4, None), (OFFSET_INVALID, KafkaError.TOPIC_AUTHORIZATION_FAILED)]
    with pytest.raises(KafkaException) as raised:
        known_offsets(Committed(failed), "events", [0, 1], 60)  # type: ignore[arg-type]
    assert raised.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(KafkaException):
        known_offsets(Committed(MOVING[0]), "events", [0, 1], -1)  # type: ignore[arg-type]


def test_a_group_is_deleted_by_requests_that_never_time_out(monkeypatch):
    answers = [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, None]

    def answer(future: "Future[Any]") -> None:
        code = answers.pop(0)
        if code is None:
            future.set_result(None)
        else:
            future.set_exception(KafkaException(KafkaError(code)))

    moving = Clients(answer)
    monkeypatch.setattr(groups, "AdminClient", moving)
    delete_group(Settings(), "readers", 60)
    assert (answers, moving.made, moving.timeouts) == ([], 1, [LONGEST_TIMEOUT_S] * 3)
    answers.append(KafkaError.GROUP_ID_NOT_FOUND)
    delete_group(Settings(), "readers", 60)
    answers.append(KafkaError.NON_EMPTY_GROUP)
    with pytest.raises(KafkaException):
        delete_group(Settings(), "readers", 60)
    monkeypatch.setattr(groups, "AdminClient", Clients(lambda future: None))
    with pytest.raises(KafkaException) as raised:
        delete_group(Settings(), "readers", 0.01)
    assert raised.value.args[0].code() == KafkaError._TIMED_OUT
