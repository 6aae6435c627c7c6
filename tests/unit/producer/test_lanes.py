"""A lane's thread, queue and batches, with a writer that does what the test says."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import pytest

from eventstore.append.deadline import always
from eventstore.append.writer import Writer
from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Receipt, Submitted
from foundation.kafka_clients import KafkaUnavailable
from inventory.commands import BorrowBook
from producer.gateway import lanes
from producer.gateway import turns as turns_module
from producer.gateway.lanes import Lane, QueueFull
from producer.gateway.turns import Turns
from tests.support.producer.writer_calls import ISBN, command
from tests.support.waiting import until

Task = Callable[[Lane], Any]


class Scripted(Writer):
    """Accepts everything once ``gate`` is open, and records its calls."""

    def __init__(self) -> None:
        self.transaction_s = None
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.deadlines: list[float] = []
        self.looked_up: list[str] = []
        self.checks = self.followed = 0
        self.error: Exception | None = None
        self.away = False
        self.closed = False

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        self.gate.wait(20)
        self.batches.append([one.command_id for one in submitted])
        self.deadlines.append(deadline_s)
        if self.error is not None:
            raise self.error
        if self.away:
            return [OutcomeUnknown("Kafka is away", sent=False) for _ in submitted]
        return [Accepted(Receipt(one.command_id, ISBN, (), "0:0")) for one in submitted]

    def look_up(self, command_id: str, deadline_s: float) -> list[Receipt] | OutcomeUnknown:
        self.looked_up.append(command_id)
        return OutcomeUnknown("Kafka is away") if self.away else []

    def check(self, deadline_s: float, urgent: Callable[[], bool] = always) -> OutcomeUnknown | None:
        self.urgent = urgent
        self.gate.wait(20)
        self.checks += 1
        return OutcomeUnknown("Kafka is away") if self.away else None

    def follow(self, deadline_s: float, urgent: Callable[[], bool] = always) -> None:
        self.followed += 1

    def wait(self) -> None:
        pass

    def rest(self) -> OutcomeUnknown | None:
        return None

    def close(self) -> None:
        self.closed = True


def run_with_lane(
    work: Callable[[Lane], Any],
    *writers: Scripted,
    deadline_s: float = 30.0,
    standby: bool = False,
    turns: Turns | None = None,
) -> list[int]:
    """Run ``work`` with a lane that gets these writers, in this order. Returns its batches' sizes."""
    sizes: list[int] = []
    turns = turns or Turns(1)
    left = iter(writers)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        lane = Lane(
            lambda: next(left), deadline_s, loop, turns, lambda size, _: sizes.append(size), standby=standby
        )
        lane.start()
        lane.own(True)
        try:
            await asyncio.wait_for(work(lane), 20)
        finally:
            lane.stop()
            await asyncio.to_thread(lane.join, 20)
        assert not lane.alive

    asyncio.run(run())
    return sizes


def commands(count: int, first: int = 0) -> list[Submitted]:
    return [command(BorrowBook(ISBN, "ann"), f"id{number}") for number in range(first, first + count)]


def test_a_partition_that_is_taken_over_counts_as_being_read_until_it_was_checked():
    writer = Scripted()

    async def work(lane: Lane) -> None:
        lane.own(False)
        await until(lambda: lane.trouble is None and not lane.reading)
        writer.gate.clear()
        lane.own(True)
        assert lane.reading
        await asyncio.sleep(0)
        assert lane.reading
        writer.gate.set()
        await until(lambda: not lane.reading and lane.trouble is None)

    run_with_lane(work, writer, Scripted())
    assert writer.checks


def test_a_long_read_becomes_urgent_when_a_command_waits():
    writer = Scripted()
    writer.gate.clear()

    async def work(lane: Lane) -> None:
        await until(lambda: hasattr(writer, "urgent"))
        assert not writer.urgent()
        answer = lane.submit(commands(1)[0])
        assert writer.urgent()
        writer.gate.set()
        await answer

    run_with_lane(work, writer)


def test_commands_that_arrive_during_a_commit_form_the_next_batch():
    writer = Scripted()

    async def work(lane: Lane) -> None:
        await lane.submit(commands(1)[0])
        writer.gate.clear()
        first = lane.submit(commands(1, 1)[0])
        while lane.waiting:
            await asyncio.sleep(0)
        rest = [lane.submit(one) for one in commands(5, 2)]
        writer.gate.set()
        await asyncio.gather(first, *rest)

    assert run_with_lane(work, writer) == [1, 1, 5]
    assert writer.batches == [["id0"], ["id1"], [f"id{number}" for number in range(2, 7)]]
    assert writer.closed


def test_commands_that_arrive_while_the_lane_waits_for_its_turn_form_one_batch(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(turns_module, "LONGEST_WAIT_S", 20)
    turns, writer = Turns(8), Scripted()
    turns.share(0.5)

    async def work(lane: Lane) -> None:
        with turns.one():
            first = lane.submit(commands(1)[0])
            await until(lambda: turns.waiting)
            rest = [lane.submit(one) for one in commands(4, 1)]
            assert writer.batches == []
        await asyncio.gather(first, *rest)

    assert run_with_lane(work, writer, turns=turns) == [5]


def test_a_batch_has_a_largest_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "LARGEST_BATCH", 3)
    writer = Scripted()
    writer.gate.clear()

    async def work(lane: Lane) -> None:
        waiting: list[Any] = [lane.submit(one) for one in commands(8)]
        writer.gate.set()
        await asyncio.gather(*waiting)

    assert max(run_with_lane(work, writer)) == 3


def test_a_full_queue_refuses_commands_and_keeps_those_it_took(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "LONGEST_QUEUE", 4)
    writer = Scripted()

    async def work(lane: Lane) -> None:
        # Its check would wait at the gate, too
        await until(lambda: not lane.reading)
        writer.gate.clear()
        first = lane.submit(commands(1)[0])
        while lane.waiting:
            await asyncio.sleep(0)
        rest = [lane.submit(one) for one in commands(4, 1)]
        with pytest.raises(QueueFull):
            lane.submit(commands(1, 5)[0])
        writer.gate.set()
        await asyncio.gather(first, *rest)

    run_with_lane(work, writer)
    assert list(chain(*writer.batches)) == [f"id{number}" for number in range(5)]


def test_lookups_follow_earlier_commands_and_are_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "MOST_LOOK_UPS", 2)
    writer = Scripted()
    writer.gate.clear()

    async def work(lane: Lane) -> None:
        waiting: list[Any] = [lane.submit(commands(1)[0]), lane.look_up("a"), lane.look_up("b")]
        with pytest.raises(QueueFull):
            lane.look_up("c")
        assert writer.looked_up == []
        writer.gate.set()
        await asyncio.gather(*waiting)
        assert await lane.look_up("d") == []

    run_with_lane(work, writer)
    assert writer.looked_up == ["a", "b", "d"]


def test_a_failed_writer_is_replaced():
    broken, sound = Scripted(), Scripted()
    broken.error = ZeroDivisionError("a bug")

    async def work(lane: Lane) -> None:
        outcome = await lane.submit(commands(1)[0])
        assert isinstance(outcome, OutcomeUnknown)
        assert outcome.sent
        assert lane.trouble
        assert isinstance(await lane.submit(commands(1)[0]), Accepted)
        assert lane.trouble is None

    run_with_lane(work, broken, sound)
    assert sound.closed


def test_a_lane_retries_while_kafka_is_unavailable():
    answers: Any = iter([KafkaUnavailable("Kafka can't be used: it turns us down"), Scripted()])

    def make() -> Writer:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> None:
        lane = Lane(make, 30, asyncio.get_running_loop(), Turns(1), lambda *_: None)
        first = lane.submit(commands(1)[0])
        lane.start()
        outcome = await asyncio.wait_for(first, 20)
        assert isinstance(outcome, OutcomeUnknown)
        assert not outcome.sent
        assert outcome.reason == "Kafka can't be used: it turns us down"
        assert isinstance(await asyncio.wait_for(lane.submit(commands(1)[0]), 20), Accepted)
        lane.stop()
        await asyncio.to_thread(lane.join, 20)

    asyncio.run(run())


def test_commands_are_refused_quickly_while_kafka_is_unavailable():
    writer = Scripted()

    async def work(lane: Lane) -> None:
        await lane.submit(commands(1)[0])
        writer.away = True
        await lane.submit(commands(1)[0])
        await lane.submit(commands(1)[0])
        writer.away = False
        await lane.submit(commands(1)[0])
        await lane.submit(commands(1)[0])

    run_with_lane(work, writer, deadline_s=30)
    long = [seconds > lanes.UNREACHABLE_DEADLINE_S for seconds in writer.deadlines]
    assert long[1:] == [True, False, False, True]


def test_a_lane_in_trouble_checks_by_itself_whether_kafka_is_reachable_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "RETRY_INTERVAL_S", 0.01)
    writer = Scripted()
    writer.away = True

    async def work(lane: Lane) -> None:
        await lane.submit(commands(1)[0])
        assert lane.trouble == "Kafka is away"
        await until(lambda: writer.checks)
        assert lane.trouble == "Kafka is away"
        writer.away = False
        await until(lambda: lane.trouble is None)

    run_with_lane(work, writer)
    assert writer.looked_up == []


def test_a_stopping_lane_finishes_its_commands():
    writer = Scripted()
    writer.gate.clear()
    taken: list[asyncio.Future[Outcome]] = []

    async def work(lane: Lane) -> None:
        taken.extend(lane.submit(one) for one in commands(3))
        lane.stop()
        writer.gate.set()
        assert all(isinstance(outcome, Accepted) for outcome in await asyncio.gather(*taken))

    run_with_lane(work, writer)
    assert writer.closed


@pytest.mark.parametrize("standby", [True, False])
def test_a_lane_follows_a_partition_that_it_gave_up_only_on_standby(
    monkeypatch: pytest.MonkeyPatch, standby: bool
):
    monkeypatch.setattr(lanes, "IDLE_INTERVAL_S", 0.01)
    first, second = Scripted(), Scripted()

    async def work(lane: Lane) -> None:
        await lane.submit(commands(1)[0])
        lane.own(False)
        await until(lambda: first.followed > 1 if standby else first.closed)
        assert first.closed != standby
        lane.own(True)
        await lane.submit(commands(1, 1)[0])

    run_with_lane(work, first, second, standby=standby)
    assert second.batches == ([] if standby else [["id1"]])
    assert first.closed
    assert (first.followed > 0) == standby
