"""When the end of a transaction ends the claim, too: docs/decisions/0009 says why it must."""

from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from eventstore.append.deadline import Deadline
from eventstore.append.fence import REQUEST_TIMEOUT_S, Fence, Record
from eventstore.errors import ClaimLost
from foundation.settings import Settings


class ScriptedProducer:
    """``meanwhile`` happens while it ends a transaction, ``polled`` when it is polled afterwards."""

    def __init__(self, meanwhile: Callable[[], None], polled: Callable[[], None]) -> None:
        self._meanwhile, self._polled = meanwhile, polled

        self.aborts = 0

    def begin_transaction(self) -> None:
        pass

    def produce(self, *_: object, **__: object) -> None:
        pass

    def flush(self, timeout: float) -> int:
        return 1

    def commit_transaction(self, timeout: float) -> None:
        self._meanwhile()

    def abort_transaction(self, timeout: float) -> None:
        self.aborts += 1
        self._meanwhile()

    def poll(self, timeout: float) -> int:
        self._polled()
        return 0


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def __call__(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("eventstore.append.fence.time", clock)
    return clock


def nothing() -> None:
    pass


def claimed(meanwhile: Callable[[], None] = nothing, polled: Callable[[], None] = nothing) -> Fence:
    fence = Fence(Settings(), 0)
    fence._owner = cast(Producer, ScriptedProducer(meanwhile, polled))
    return fence


def ends(fence: Fence) -> list[Callable[[Deadline], None]]:
    return [fence.commit, fence.abort]


@pytest.mark.parametrize("which", [0, 1], ids=["commit", "abort"])
def test_a_quick_end_without_any_report_keeps_the_claim(clock: Clock, which: int):
    fence = claimed(lambda: clock(REQUEST_TIMEOUT_S - 0.1))
    ends(fence)[which](Deadline(5))
    assert fence.claimed


@pytest.mark.parametrize("which", [0, 1], ids=["commit", "abort"])
def test_an_end_that_took_as_long_as_a_request_may_ends_the_claim(clock: Clock, which: int):
    fence = claimed(lambda: clock(REQUEST_TIMEOUT_S))
    ends(fence)[which](Deadline(5))
    assert not fence.claimed


REPORTS: dict[str, Callable[[Fence], None]] = {
    "an error": lambda fence: fence._config["error_cb"](KafkaError(KafkaError._TRANSPORT)),
    "a log line": lambda fence: fence._config["logger"].log(6, "%s", "REQTMOUT"),
}


@pytest.mark.parametrize("moment", ["while it lasts", "when it is polled"])
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
@pytest.mark.parametrize("which", [0, 1], ids=["commit", "abort"])
@pytest.mark.usefixtures("clock")
def test_any_report_of_the_client_ends_the_claim(which: int, report: Callable[[Fence], None], moment: str):
    def say() -> None:
        report(fence)

    fence = claimed(*((say, nothing) if moment == "while it lasts" else (nothing, say)))
    ends(fence)[which](Deadline(5))
    assert not fence.claimed


@pytest.mark.usefixtures("clock")
def test_what_was_reported_before_does_not_count():
    fence = claimed()
    REPORTS["an error"](fence)
    fence.commit(Deadline(5))
    assert fence.claimed


@pytest.mark.usefixtures("clock")
def test_an_end_that_failed_leaves_the_decision_to_the_writer():
    with pytest.raises(ClaimLost, match="committing failed"):
        claimed(fail).commit(Deadline(5))


def fail() -> None:
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


@pytest.mark.parametrize("meanwhile", [nothing, fail], ids=["in time", "too late"])
def test_a_lost_claim_begins_to_abort_the_open_transaction(meanwhile: Callable[[], None]):
    """A producer that is dropped in a transaction can abort the whole process."""
    fence = claimed(meanwhile)
    producer = cast(ScriptedProducer, fence._owner)
    with pytest.raises(ClaimLost, match="not delivered in time"):
        fence.deliver([Record(b"key", b"value", 1, [])], Deadline(5))
    fence.lose()
    assert producer.aborts == 1
    assert not fence.claimed


def test_a_claim_without_a_transaction_is_given_up_without_a_request():
    fence = claimed()
    producer = cast(ScriptedProducer, fence._owner)
    fence.lose()
    assert producer.aborts == 0
