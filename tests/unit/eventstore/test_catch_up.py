"""Long reads of several partitions, without Kafka."""

import threading
from collections.abc import Callable

import pytest

from eventstore.append import catch_up
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
    """A log that has one batch of ``entries`` streams."""

    def __init__(self, state: WriteState, entries: int) -> None:
        self.state, self.entries, self.begun = state, entries, threading.Event()

    def read(self, start: int | None, deadline: Deadline, take: Callable[[list[object]], None]) -> End:
        self.begun.set()
        self.state.streams |= {str(number): StreamState(UNKNOWN) for number in range(self.entries)}
        take([])
        return End(0, 0)


def reader(entries: int) -> tuple[CatchUp, WriteState]:
    state, reading = WriteState(LIBRARY), CatchUp(Settings(), 0)
    reading.log = OneBatch(state, entries)  # type: ignore[assignment]
    return reading, state


@pytest.fixture
def long_read_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catch_up, "LONG_READ_ENTRIES", 10)
    with catch_up._long_read:
        yield


@pytest.mark.usefixtures("long_read_elsewhere")
def test_a_long_read_waits_for_another_one_and_continues_later():
    reading, state = reader(10)
    with pytest.raises(ClaimLost, match="read first"):
        reading.ahead(state, Deadline(0.01), lambda: None)
    assert state.unsaved == 10
    assert reading.log.begun.is_set()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("long_read_elsewhere")
def test_a_short_read_waits_for_nobody():
    reading, state = reader(9)
    reading.ahead(state, Deadline(60), lambda: None)


def test_a_long_read_leaves_its_turn_to_the_next_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catch_up, "LONG_READ_ENTRIES", 10)
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
