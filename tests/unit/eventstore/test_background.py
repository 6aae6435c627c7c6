"""Work that rests, waits for its turn, and hurries when somebody waits for it."""

import threading
import time

import pytest

from eventstore.state import background
from eventstore.state.background import REST_FACTOR, SPELL_S, BackgroundThrottle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the thread has worked, in its first place; then each rest that it took."""
    times = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: times[0])
    monkeypatch.setattr(time, "sleep", times.append)
    return times


def test_background_work_pauses_longer_than_it_works(clock: list[float]):
    pause = BackgroundThrottle()
    for _ in range(30):
        clock[0] += SPELL_S / 10
        pause()
    assert len(clock[1:]) == pytest.approx(3, abs=1)
    assert all(rest == pytest.approx(SPELL_S * REST_FACTOR, rel=0.2) for rest in clock[1:])


def test_background_work_does_not_pause_while_somebody_waits_for_it(clock: list[float]):
    pause = BackgroundThrottle()
    pause.hurry = True
    clock[0] = 20 * SPELL_S
    pause()
    assert clock[1:] == []


def test_background_work_takes_turns_unless_somebody_waits_for_it():
    first, second = BackgroundThrottle(), BackgroundThrottle()
    working = threading.Event()

    def work() -> None:
        with second.turn():
            working.set()

    with first.turn():
        thread = threading.Thread(target=work)
        thread.start()
        assert not working.wait(3 * background.TURN_INTERVAL_S)
        second.hurry = True
        assert working.wait(10)
        thread.join(10)
        # Who hurried gives back no turn that was not its own
        assert background._turn.locked()
    assert not background._turn.locked()
