"""The consumer groups whose offsets the audit looks at."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from audit import groups
from audit.groups import MOST_UNKNOWN, Groups
from foundation.settings import Settings

PROJECTOR = "library-projector"


class FakeKafka:
    """Lists groups, and has the offsets of some; counts how often each was asked."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self.errors: list[KafkaException] = []
        self.offsets: dict[str, dict[int, int]] = {}
        self.away: set[str] = set()
        self.asked: list[str] = []

    def list_consumer_groups(self, **_: object) -> Any:
        valid = [SimpleNamespace(group_id=name) for name in self.listed]
        return SimpleNamespace(result=lambda: SimpleNamespace(valid=valid, errors=self.errors))

    def committed(self, settings: Settings, topic: str, names: list[str], timeout: float) -> Any:
        self.asked = list(names)
        return {name: self.offsets.get(name, {}) for name in names if name not in self.away}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    kafka = FakeKafka()
    monkeypatch.setattr(groups, "AdminClient", lambda config: kafka)
    monkeypatch.setattr(groups, "committed_offsets_by_group", kafka.committed)
    return kafka


def test_a_reader_after_hundreds_of_foreign_groups_is_found_and_the_projector_is_always_asked(kafka):
    kafka.listed = [f"a-foreign-{n}" for n in range(3 * MOST_UNKNOWN)] + [PROJECTOR, "overdue"]
    kafka.offsets = {PROJECTOR: {0: 7}, "overdue": {0: 3}}
    found = Groups(Settings(), set())
    for _ in range(3):
        assert found.committed(PROJECTOR) == {PROJECTOR: {0: 7}}
        assert len(kafka.asked) == 1 + MOST_UNKNOWN
    found.committed(PROJECTOR)
    assert found.committed(PROJECTOR) == {PROJECTOR: {0: 7}, "overdue": {0: 3}}
    assert kafka.asked == [PROJECTOR, "overdue"], "what reads something else is asked again later"


def test_groups_that_read_something_else_are_asked_again_after_a_while(kafka, monkeypatch):
    kafka.listed = [PROJECTOR, "late"]
    found = Groups(Settings(), set())
    found.committed(PROJECTOR)
    kafka.offsets = {"late": {1: 5}}
    assert found.committed(PROJECTOR) == {}
    monkeypatch.setattr(groups, "OTHERS_INTERVAL_S", -1.0)
    assert found.committed(PROJECTOR) == {"late": {1: 5}}


def test_a_group_that_can_not_be_asked_has_what_it_had_and_one_that_is_gone_nothing(kafka):
    kafka.listed, kafka.offsets = [PROJECTOR, "overdue"], {PROJECTOR: {0: 7}, "overdue": {0: 3}}
    found = Groups(Settings(), set())
    found.committed(PROJECTOR)
    kafka.away = {PROJECTOR, "overdue"}
    assert found.committed(PROJECTOR) == kafka.offsets
    # Its broker does not answer: it is not listed either
    kafka.listed, kafka.errors = [PROJECTOR], [KafkaException(KafkaError(KafkaError._TIMED_OUT))]
    assert found.committed(PROJECTOR) == kafka.offsets
    kafka.away, kafka.errors = set(), []
    assert found.committed(PROJECTOR) == {PROJECTOR: {0: 7}}


def test_groups_that_only_the_system_itself_uses_are_not_looked_at(kafka):
    kafka.listed = ["library-gateways", "library-audit", PROJECTOR]
    Groups(Settings(), {"library-audit"}).committed(PROJECTOR)
    assert kafka.asked == [PROJECTOR]
