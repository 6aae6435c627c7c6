import pytest

from eventstore.append.pacing import LONGEST, RETRY, STEP, Pacing


def used(breath: Pacing, needed: float, transactions: int, busy: float = 0.001) -> int:
    """Transactions one after the other on a Kafka that needs so long to end one: how many it turned away."""
    now, turned_away = 0.0, 0
    for _ in range(transactions):
        now += breath.left(now)
        begun = now
        early = begun < breath._ended + needed
        turned_away += early
        now += busy + (RETRY if early else 0.0)
        breath.delivered(begun, now)
        breath.ended(now)
    return turned_away


def test_at_first_nothing_waits():
    breath = Pacing()
    breath.ended(5.0)
    assert breath.left(5.0) == 0


def test_one_that_was_turned_away_lets_the_next_wait():
    breath = Pacing()
    breath.ended(5.0)
    breath.delivered(5.001, 5.001 + 1.2 * RETRY)
    breath.ended(5.03)
    assert breath.left(5.03) == pytest.approx(STEP)
    assert breath.left(5.03 + STEP) == 0


@pytest.mark.parametrize("needed", [0.001, 0.005, 0.012])
def test_it_learns_how_long_kafka_needs(needed):
    breath = Pacing()
    used(breath, needed, 200)
    assert used(breath, needed, 1000) < 100
    assert breath.length == pytest.approx(needed, abs=STEP)


def test_it_forgets_when_kafka_is_quick_again():
    breath = Pacing()
    used(breath, 0.012, 200)
    used(breath, 0.0, 1000)
    assert breath.length < 0.001


def test_a_slow_delivery_long_after_a_commit_teaches_nothing():
    breath = Pacing()
    breath.ended(5.0)
    breath.delivered(6.0, 7.0)
    assert breath.length == 0


def test_it_never_waits_as_long_as_a_retry():
    breath = Pacing()
    used(breath, 1.0, 100)
    assert breath.length == LONGEST < RETRY
