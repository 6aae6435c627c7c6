import pytest

from eventstore.append.pacing import CLIENT_RETRY_S, MAX_PAUSE_S, STEP_S, Pacing


def used(breath: Pacing, needed: float, transactions: int, busy: float = 0.001) -> int:
    """Transactions one after the other on a Kafka that needs so long to end one: how many it turned away."""
    now, turned_away = 0.0, 0
    for _ in range(transactions):
        now += breath.left(now)
        begun = now
        early = begun < breath._ended + needed
        turned_away += early
        now += busy + (CLIENT_RETRY_S if early else 0.0)
        breath.delivered(begun, now)
        breath.ended(now)
    return turned_away


def test_a_new_fence_does_not_pause():
    breath = Pacing()
    breath.ended(5.0)
    assert breath.left(5.0) == 0


def test_a_rejected_transaction_makes_the_next_one_pause():
    breath = Pacing()
    breath.ended(5.0)
    breath.delivered(5.001, 5.001 + 1.2 * CLIENT_RETRY_S)
    breath.ended(5.03)
    assert breath.left(5.03) == pytest.approx(STEP_S)
    assert breath.left(5.03 + STEP_S) == 0


@pytest.mark.parametrize("needed", [0.001, 0.005, 0.012])
def test_pacing_learns_the_shortest_pause_kafka_accepts(needed):
    breath = Pacing()
    used(breath, needed, 200)
    assert used(breath, needed, 1000) < 100
    assert breath.pause_s == pytest.approx(needed, abs=STEP_S)


def test_pacing_shortens_when_kafka_is_fast_again():
    breath = Pacing()
    used(breath, 0.012, 200)
    used(breath, 0.0, 1000)
    assert breath.pause_s < 0.001


def test_a_slow_delivery_long_after_a_commit_does_not_change_the_pause():
    breath = Pacing()
    breath.ended(5.0)
    breath.delivered(6.0, 7.0)
    assert breath.pause_s == 0


def test_a_pause_is_always_shorter_than_a_retry():
    breath = Pacing()
    used(breath, 1.0, 100)
    assert breath.pause_s == MAX_PAUSE_S < CLIENT_RETRY_S
