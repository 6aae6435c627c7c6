"""Long reads of several partitions, without Kafka."""

import threading
from collections.abc import Callable

import pytest

from eventstore.append import catch_up, deadline
from eventstore.append.catch_up import CatchUp
from eventstore.append.deadline import Deadline
from eventstore.append.partition_log import End
from eventstore.errors import ClaimLost
from eventstore.state.write_state import StreamState, WriteState
from foundation.settings import Settings
from inventory.domain import library
from inventory.rules import UNKNOWN
from tests.support.waiting import eventually

LIBRARY = library(21, "UTC")


class OneBatch:
    """A log that has one more batch of ``records`` at each read."""

    def __init__(self, state: WriteState, records: int) -> None:
        self.state, self.records, self.reads = state, records, 0

    def read(self, start: int | None, deadline: Deadline, take: Callable[[list[object]], None]) -> End:
        self.reads += 1
        begun, self.state.next = self.state.next, self.state.next + self.records
        self.state.streams |= {str(at): StreamState(UNKNOWN) for at in range(begun, self.state.next)}
        take([])
        return End(self.state.next, self.state.next)


class SlowLog:
    """A log of ``batches``, each of which takes a second of ``clock``."""

    def __init__(self, batches: int) -> None:
        self.left, self.clock = batches, 0.0

    def read(self, start: int | None, deadline: Deadline, take: Callable[[list[object]], None]) -> End:
        while self.left:
            if deadline.passes_within(0):
                raise ClaimLost("in time")
            self.clock += 1
            self.left -= 1
            take([])
        return End(0, 0)


def reader(records: int) -> tuple[CatchUp, WriteState]:
    state, reading = WriteState(LIBRARY), CatchUp(Settings(), 0)
    reading.log = OneBatch(state, records)  # type: ignore[assignment]
    return reading, state


@pytest.fixture
def long_read_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catch_up, "LONG_READ_RECORDS", 10)
    with catch_up._long_read:
        yield


@pytest.mark.usefixtures("long_read_elsewhere")
def test_a_long_read_waits_for_another_one_and_continues_later():
    reading, state = reader(10)
    for _ in range(3):
        with pytest.raises(ClaimLost, match="read first"):
            reading.ahead(state, Deadline(0.01), lambda: None)
    # Without its turn it reads no more: what is read is held in memory
    assert (state.next, reading.log.reads) == (10, 1)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("long_read_elsewhere")
def test_short_reads_wait_for_nobody_however_much_was_read_before():
    reading, state = reader(9)
    for _ in range(3):
        reading.ahead(state, Deadline(60), lambda: None)
    assert state.next == 27


def test_after_a_long_read_a_short_one_waits_for_nobody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catch_up, "LONG_READ_RECORDS", 10)
    reading, state = reader(10)
    reading.ahead(state, Deadline(60), lambda: None)
    reading.log.records = 9  # type: ignore[attr-defined]
    with catch_up._long_read:
        reading.ahead(state, Deadline(60), lambda: None)


def test_a_long_read_leaves_its_turn_to_the_next_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catch_up, "LONG_READ_RECORDS", 10)
    (first, state), (second, other_state) = reader(10), reader(10)
    may_end = threading.Event()
    reading = threading.Thread(target=first.ahead, args=(state, Deadline(60), may_end.wait), daemon=True)
    reading.start()
    eventually(catch_up._long_read.locked)
    waiting = threading.Thread(target=second.ahead, args=(other_state, Deadline(60), lambda: None))
    waiting.start()
    assert waiting.is_alive()
    may_end.set()
    waiting.join(60)
    assert not waiting.is_alive()
    assert not catch_up._long_read.locked()


def test_a_read_may_take_as_long_as_it_advances_unless_it_is_urgent(monkeypatch: pytest.MonkeyPatch):
    log, waiting = SlowLog(20), False
    monkeypatch.setattr(deadline, "monotonic", lambda: log.clock)
    state, reading = WriteState(LIBRARY), CatchUp(Settings(), 0)
    reading.log = log  # type: ignore[assignment]

    def command_arrives() -> None:
        nonlocal waiting
        waiting = log.left <= 10

    with pytest.raises(ClaimLost, match="in time"):
        reading.ahead(state, Deadline(2.5, lambda: waiting), command_arrives)
    # The deadline counts from the last progress before the command
    assert log.left == 8
    reading.ahead(state, Deadline(2.5, lambda: False), lambda: None)
    assert not log.left


def test_a_command_does_not_wait_for_a_long_read(monkeypatch: pytest.MonkeyPatch):
    log = SlowLog(20)
    monkeypatch.setattr(deadline, "monotonic", lambda: log.clock)
    reading = CatchUp(Settings(), 0)
    reading.log = log  # type: ignore[assignment]
    with pytest.raises(ClaimLost, match="in time"):
        reading.ahead(WriteState(LIBRARY), Deadline(2.5), lambda: None)
    assert log.left == 17
