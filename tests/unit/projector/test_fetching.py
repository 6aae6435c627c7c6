"""What the consumer hands out at a time, with fetched records that a test makes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchError, FetchResult
from faust.types import TP

from projector.batched_faust import fetching
from projector.batched_faust.batch import Batch, Record
from projector.batched_faust.fetching import FAVOUR_MAX_S, FULL_MAX_S, ConsumerThread

A, B, C = (TP("events", partition) for partition in range(3))
MOST = 4


class Thread(ConsumerThread):
    """Knows the positions and which partitions are far behind from the test."""

    def __init__(self, fetcher: "Fetched", far_behind: set[TP]) -> None:
        self._fetched, self._far_behind = fetcher, far_behind
        self.paused: set[TP] = set()
        self.consumer: Any = SimpleNamespace(_paused_partitions=self.paused)

    def _positions(self, tps: Any) -> dict[TP, Any]:
        return {tp: self._fetched.positions[tp] for tp in tps if tp in self._fetched.positions}

    def is_far_behind(self, tp: TP, offset: int) -> bool:
        return tp in self._far_behind

    def drain(self, *asked: TP) -> dict[TP, Batch]:
        fetcher: Any = self._fetched
        return asyncio.run(self._drain(fetcher, set(asked or (A, B, C)), MOST))


class Reading(ConsumerThread):
    """Knows aiokafka's state of a partition from the test."""

    consumer: Any

    def __init__(self, state: Any) -> None:
        self._state = state

    def _states(self, tps: Any) -> dict[TP, Any]:
        return {A: self._state}


class Fetched:
    """Records, or an error, of each partition, as aiokafka's fetcher has them."""

    def __init__(self, **lengths: int) -> None:
        self.positions = {A: 0, B: 0, C: 0}
        self.left = {{"a": A, "b": B, "c": C}[name]: length for name, length in lengths.items()}
        self._records: dict[TP, Any] = {tp: _result() for tp in self.left}

    def fail(self, tp: TP) -> None:
        self._records[tp] = FetchError(error=ValueError("no such partition"), backoff=0)

    async def fetched_records(
        self, partitions: set[TP], timeout: float, max_records: int
    ) -> dict[TP, list[Record]]:
        (tp,) = partitions
        if tp not in self.left:
            self._records.pop(tp).check_raise()
        begin, count = self.positions[tp], min(self.left[tp], max_records)
        self.positions[tp] += count
        self.left[tp] -= count
        if not self.left[tp]:
            del self._records[tp]
        return {tp: [(offset, b"", b"") for offset in range(begin, begin + count)]}


class Clock:
    """The time of ``time.monotonic``."""

    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def _result() -> FetchResult:
    return FetchResult(A, assignment=None, partition_records=SimpleNamespace(), backoff=0)


def spans(batches: dict[TP, Batch]) -> dict[TP, tuple[int, int, int]]:
    return {tp: (batch.begin, batch.next, len(batch)) for tp, batch in batches.items()}


def test_partitions_that_have_caught_up_are_handed_out_together():
    thread = Thread(Fetched(a=1, b=2, c=1), set())
    assert spans(thread.drain()) == {A: (0, 1, 1), B: (0, 2, 2), C: (0, 1, 1)}


def test_not_more_is_handed_out_than_may_be_at_a_time():
    thread = Thread(Fetched(a=3, b=2, c=1), set())
    assert spans(thread.drain()) == {A: (0, 3, 3), B: (0, 1, 1)}
    assert spans(thread.drain()) == {B: (1, 2, 1), C: (0, 1, 1)}


@pytest.mark.parametrize("others", [{"b": 1}, {"b": 1, "c": 1}])
def test_a_partition_that_is_far_behind_is_handed_out_alone(others: dict[str, int]):
    thread = Thread(Fetched(**others, a=10), {A})
    assert A not in thread.drain()
    assert spans(thread.drain()) == {A: (0, 4, 4)}


def test_a_partition_that_is_far_behind_keeps_its_turn_while_its_batches_wait_for_the_agent(
    clock: Clock,
):
    thread = Thread(Fetched(a=8, b=4), {A, B})
    assert spans(thread.drain()) == {A: (0, 4, 4)}
    for _ in range(3):
        assert thread.drain(B, C) == {}
        clock.now += FAVOUR_MAX_S
    assert spans(thread.drain()) == {A: (4, 8, 4)}


def test_a_partition_whose_batches_the_agent_does_not_take_loses_its_turn_after_a_while(clock: Clock):
    thread = Thread(Fetched(a=8, b=4), {A, B})
    assert spans(thread.drain()) == {A: (0, 4, 4)}
    clock.now += 0.9 * FULL_MAX_S
    assert thread.drain(B, C) == {}
    clock.now += 0.2 * FULL_MAX_S
    assert spans(thread.drain(B, C)) == {B: (0, 4, 4)}


@pytest.mark.parametrize("reason", ["halted", "caught up", "revoked"])
def test_a_partition_that_is_not_asked_for_records_otherwise_loses_its_turn(reason: str):
    fetched = Fetched(a=8, b=4)
    thread = Thread(fetched, {A, B})
    assert spans(thread.drain()) == {A: (0, 4, 4)}
    if reason == "halted":
        thread.paused.add(A)
    elif reason == "caught up":
        thread._far_behind.remove(A)
    else:
        del fetched.positions[A]
    assert spans(thread.drain(B, C)) == {B: (0, 4, 4)}


def test_a_partition_whose_broker_is_silent_loses_its_turn_after_a_while(clock: Clock):
    thread = Thread(Fetched(a=4, b=8), {A, B})
    assert spans(thread.drain()) == {A: (0, 4, 4)}
    assert thread.drain() == {}
    clock.now += 1.1 * FAVOUR_MAX_S
    assert spans(thread.drain()) == {B: (0, 4, 4)}


def test_an_error_does_not_lose_records_that_were_taken_before_it():
    fetched = Fetched(a=1, b=1)
    fetched.fail(C)
    thread = Thread(fetched, set())
    assert spans(thread.drain()) == {A: (0, 1, 1), B: (0, 1, 1)}
    with pytest.raises(ValueError, match="no such partition"):
        thread.drain()


@pytest.mark.parametrize(
    ("highwater", "lso", "far"),
    [(100, None, True), (99, None, False), (1_000, 99, False), (100, 1_000, True), (None, None, False)],
)
def test_a_partition_is_far_behind_while_a_tenth_of_a_batch_can_be_read(
    highwater: int | None, lso: int | None, far: bool
):
    thread = Reading(SimpleNamespace(highwater=highwater, lso=lso))
    thread.consumer = SimpleNamespace(app=SimpleNamespace(conf=SimpleNamespace(broker_max_poll_records=500)))
    assert thread.is_far_behind(A, 50) is far


class Assigned:
    """A consumer with two source partitions and their changelogs, of ten records each."""

    def __init__(self) -> None:
        self.paused: set[TP] = set()
        self.sought: dict[TP, int] = {}

    def assignment(self) -> set[TP]:
        return {A, B, TP("changelog", 0), TP("changelog", 1)}

    async def beginning_offsets(self, tps: list[TP]) -> dict[TP, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[TP]) -> dict[TP, int]:
        return dict.fromkeys(tps, 10)

    async def committed(self, tp: TP) -> int:
        return 5

    def seek(self, tp: TP, offset: int) -> None:
        self.sought[tp] = offset

    def pause(self, *tps: TP) -> None:
        self.paused |= set(tps)


def test_after_recovery_the_changelogs_are_not_fetched_any_more() -> None:
    thread, consumer = Thread(Fetched(), set()), Assigned()
    thread._ensure_consumer = lambda: consumer  # type: ignore[method-assign]
    assert asyncio.run(thread.seek_sources({A: 3, B: 7})) == consumer.sought == {A: 3, B: 5}
    assert consumer.paused == {TP("changelog", 0), TP("changelog", 1)}


def test_a_rebalance_while_the_app_stops_leaves_the_connections_to_their_thread() -> None:
    thread = Thread(Fetched(), set())
    consumer: Any = SimpleNamespace()
    thread._consumer = consumer
    thread.close()
    assert vars(consumer) == {}
