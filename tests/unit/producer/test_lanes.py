"""A lane's thread, queue and batches, with a writer that does what the test says."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import pytest

from eventstore.append.writer import Writer
from eventstore.state.outcomes import Accepted, Outcome, OutcomeUnknown, Receipt, Submitted
from foundation.kafka_clients import KafkaUnavailable
from inventory.commands import BorrowBook
from producer.gateway import lanes
from producer.gateway.lanes import Full, Lane
from tests.support.producer.writer_calls import ISBN, command

Task = Callable[[Lane], Any]


class Scripted(Writer):
    """Accepts everything once ``gate`` is open, and notes what it was given."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.patience: list[float] = []
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.away = False
        self.closed = False

    def execute(self, submitted: Sequence[Submitted], deadline_s: float) -> list[Outcome]:
        self.gate.wait(20)
        self.batches.append([one.command_id for one in submitted])
        self.patience.append(deadline_s)
        if self.error is not None:
            raise self.error
        if self.away:
            return [OutcomeUnknown("Kafka is away", sent=False) for _ in submitted]
        return [Accepted(Receipt(one.command_id, ISBN, (), "0:0")) for one in submitted]

    def look_up(self, command_id: str, deadline_s: float) -> list[Receipt] | OutcomeUnknown:
        self.asked.append(command_id)
        return OutcomeUnknown("Kafka is away") if self.away else []

    def wait(self) -> None:
        pass

    def rest(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def in_lane(work: Callable[[Lane], Any], *writers: Scripted, deadline: float = 30.0) -> list[int]:
    """Run ``work`` with a lane that has these writers, one after the other; the sizes of its batches."""
    sizes: list[int] = []
    left = iter(writers)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        lane = Lane(lambda: next(left), deadline, loop, lambda size, _: sizes.append(size))
        lane.start()
        try:
            await asyncio.wait_for(work(lane), 20)
        finally:
            lane.stop()
            await asyncio.to_thread(lane.join, 20)
        assert not lane.alive

    asyncio.run(run())
    return sizes


def ids(count: int, first: int = 0) -> list[Submitted]:
    return [command(BorrowBook(ISBN, "ann"), f"id{number}") for number in range(first, first + count)]


def test_commands_that_arrive_during_a_commit_form_the_next_batch():
    writer = Scripted()

    async def work(lane: Lane) -> None:
        await lane.submit(ids(1)[0])
        writer.gate.clear()
        first = lane.submit(ids(1, 1)[0])
        while lane.waiting:
            await asyncio.sleep(0)
        rest = [lane.submit(one) for one in ids(5, 2)]
        writer.gate.set()
        await asyncio.gather(first, *rest)

    assert in_lane(work, writer) == [1, 1, 5]
    assert writer.batches == [["id0"], ["id1"], [f"id{number}" for number in range(2, 7)]]
    assert writer.closed


def test_a_lane_gathers_commands_after_a_batch_of_several(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "EACH", 0.5)
    monkeypatch.setattr(lanes, "MOST", 0.5)
    writer = Scripted()

    async def work(lane: Lane) -> None:
        await lane.submit(ids(1)[0])
        await lane.submit(ids(1, 1)[0])
        writer.gate.clear()
        waiting = [lane.submit(one) for one in ids(1, 2)]
        while lane.waiting:
            await asyncio.sleep(0)
        waiting += [lane.submit(one) for one in ids(2, 3)]
        writer.gate.set()
        await asyncio.gather(*waiting)
        early = lane.submit(ids(1, 5)[0])
        while lane.waiting:
            await asyncio.sleep(0)
        await asyncio.gather(early, lane.submit(ids(1, 6)[0]))

    assert in_lane(work, writer) == [1, 1, 1, 2, 2]


def test_a_batch_has_a_largest_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "LARGEST_BATCH", 3)
    writer = Scripted()
    writer.gate.clear()

    async def work(lane: Lane) -> None:
        waiting = [lane.submit(one) for one in ids(8)]
        writer.gate.set()
        await asyncio.gather(*waiting)

    assert max(in_lane(work, writer)) == 3


def test_a_full_queue_refuses_commands_and_keeps_those_it_took(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "LONGEST_QUEUE", 4)
    writer = Scripted()
    writer.gate.clear()

    async def work(lane: Lane) -> None:
        first = lane.submit(ids(1)[0])
        while lane.waiting:
            await asyncio.sleep(0)
        rest = [lane.submit(one) for one in ids(4, 1)]
        with pytest.raises(Full):
            lane.submit(ids(1, 5)[0])
        writer.gate.set()
        await asyncio.gather(first, *rest)

    in_lane(work, writer)
    assert list(chain(*writer.batches)) == [f"id{number}" for number in range(5)]


def test_lookups_follow_earlier_commands_and_are_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lanes, "MOST_LOOK_UPS", 2)
    writer = Scripted()
    writer.gate.clear()

    async def work(lane: Lane) -> None:
        waiting = [lane.submit(ids(1)[0]), lane.look_up("a"), lane.look_up("b")]
        with pytest.raises(Full):
            lane.look_up("c")
        assert writer.asked.count("a") == 0
        writer.gate.set()
        await asyncio.gather(*waiting)
        assert await lane.look_up("d") == []

    in_lane(work, writer)
    assert [asked for asked in writer.asked if asked] == ["a", "b", "d"]


def test_a_failed_writer_is_replaced():
    broken, sound = Scripted(), Scripted()
    broken.error = ZeroDivisionError("a bug")

    async def work(lane: Lane) -> None:
        outcome = await lane.submit(ids(1)[0])
        assert isinstance(outcome, OutcomeUnknown)
        assert outcome.sent
        assert lane.trouble
        assert isinstance(await lane.submit(ids(1)[0]), Accepted)
        assert lane.trouble is None

    in_lane(work, broken, sound)
    assert sound.closed


def test_a_lane_retries_while_kafka_is_unavailable():
    answers = iter([KafkaUnavailable("Kafka can't be used: it turns us down"), Scripted()])

    def make() -> Writer:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> None:
        lane = Lane(make, 30, asyncio.get_running_loop(), lambda *_: None)
        first = lane.submit(ids(1)[0])
        lane.start()
        outcome = await asyncio.wait_for(first, 20)
        assert isinstance(outcome, OutcomeUnknown)
        assert not outcome.sent
        assert outcome.reason == "Kafka can't be used: it turns us down"
        assert isinstance(await asyncio.wait_for(lane.submit(ids(1)[0]), 20), Accepted)
        lane.stop()
        await asyncio.to_thread(lane.join, 20)

    asyncio.run(run())


def test_commands_are_refused_quickly_while_kafka_is_unavailable():
    writer = Scripted()

    async def work(lane: Lane) -> None:
        await lane.submit(ids(1)[0])
        writer.away = True
        await lane.submit(ids(1)[0])
        await lane.submit(ids(1)[0])
        writer.away = False
        await lane.submit(ids(1)[0])
        await lane.submit(ids(1)[0])

    in_lane(work, writer, deadline=30)
    patient = [seconds > lanes.AWAY for seconds in writer.patience]
    assert patient[1:] == [True, False, False, True]


def test_a_stopping_lane_finishes_its_commands():
    writer = Scripted()
    writer.gate.clear()
    taken: list[asyncio.Future[Outcome]] = []

    async def work(lane: Lane) -> None:
        taken.extend(lane.submit(one) for one in ids(3))
        lane.stop()
        writer.gate.set()
        assert all(isinstance(outcome, Accepted) for outcome in await asyncio.gather(*taken))

    in_lane(work, writer)
    assert writer.closed
