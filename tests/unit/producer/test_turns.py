"""How many lanes execute a batch at once."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.gateway import turns
from producer.gateway.turns import FEWEST, Limit, Turns
from tests.support.waiting import eventually

QUICK_S, SLOW_S = 0.004, 0.012
FEWEST_ALONE = int(FEWEST)


def after(limit: Limit, took_s: float, transactions: int = 200, *, reached: bool = True) -> float:
    """The limit after these transactions."""
    for _ in range(transactions):
        limit.learn(took_s, reached=reached)
    return limit.value


def test_transactions_that_do_not_slow_each_other_down_run_side_by_side():
    limit = Limit(8)
    assert limit.value == FEWEST_ALONE
    assert after(limit, QUICK_S) == 8


def test_transactions_that_slow_each_other_down_take_turns():
    limit = Limit(8)
    after(limit, QUICK_S)
    assert after(limit, SLOW_S, 100) == FEWEST
    assert after(limit, QUICK_S) == 8


def test_nobody_learns_from_turns_that_nobody_waits_for():
    assert after(Limit(8), QUICK_S, reached=False) == FEWEST_ALONE


def test_the_duration_between_quick_and_slow_changes_nothing():
    limit = Limit(8)
    after(limit, QUICK_S, 10)
    before = after(limit, QUICK_S * 1.75)
    assert FEWEST_ALONE < before < 8
    assert after(limit, QUICK_S * 1.75) == before


def test_one_stray_transaction_changes_little():
    limit = Limit(8)
    after(limit, QUICK_S)
    assert after(limit, QUICK_S * 5, 1) == 8


def test_a_kafka_that_has_become_slower_for_good_is_believed_in_the_end():
    limit = Limit(8)
    after(limit, QUICK_S)
    assert after(limit, SLOW_S) == FEWEST_ALONE
    assert after(limit, SLOW_S, 20_000) == 8


@given(st.lists(st.tuples(st.floats(1e-6, 100), st.booleans())), st.integers(1, 64))
def test_the_limit_has_bounds(transactions: list[tuple[float, bool]], most: int):
    limit = Limit(most)
    for took_s, reached in transactions:
        limit.learn(took_s, reached=reached)
        assert limit.fewest <= limit.value <= max(limit.fewest, most)


class Worker:
    """A thread that takes a turn, and ends it when it is told to."""

    def __init__(self, all_turns: Turns, began: list["Worker"]) -> None:
        self._turns, self._began = all_turns, began
        self._release = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._turns.one():
            self._began.append(self)
            self._release.wait(20)

    def end(self) -> None:
        self._release.set()
        self._thread.join(20)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes a turn that was not given."""
    monkeypatch.setattr(turns, "LONGEST_WAIT_S", 20)


def workers(all_turns: Turns, began: list[Worker], number: int) -> list[Worker]:
    """Workers that take a turn or wait for one, in this order."""
    made: list[Worker] = []
    before = len(began) + all_turns.waiting
    while len(made) < number:
        made.append(Worker(all_turns, began))
        eventually(lambda: len(began) + all_turns.waiting == before + len(made))
    return made


@pytest.mark.usefixtures("patient")
def test_turns_are_given_in_the_order_of_arrival():
    began: list[Worker] = []
    all_workers = workers(Turns(8), began, 5)
    for ended in range(5):
        at_work = all_workers[: FEWEST_ALONE + ended]
        eventually(lambda at_work=at_work: began == at_work)
        all_workers[ended].end()


@pytest.mark.parametrize(("share", "at_once"), [(1.0, 2), (0.5, 1), (0.375, 1), (0.125, 1)])
@pytest.mark.usefixtures("patient")
def test_gateways_that_share_the_partitions_share_the_turns(share: float, at_once: int):
    began: list[Worker] = []
    all_turns = Turns(8)
    all_turns.share(0.25)
    all_turns.share(share)
    all_workers = workers(all_turns, began, 4)
    eventually(lambda: began == all_workers[:at_once])
    for worker in all_workers:
        worker.end()


@pytest.mark.parametrize(("share", "pause_s"), [(1.0, 0), (0.5, 0), (0.375, 0.004), (0.25, 0.012)])
def test_less_than_a_turn_means_a_pause_after_each(share: float, pause_s: float):
    limit = Limit(8)
    limit.fewest = FEWEST * share
    assert limit.pause_s(0.012) == pytest.approx(pause_s)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("others", [0, 1])
def test_a_gateway_pauses_only_while_others_wait_for_a_turn(monkeypatch: pytest.MonkeyPatch, others: int):
    began: list[Worker] = []
    pauses: list[float] = []
    monkeypatch.setattr(turns, "sleep", pauses.append)
    all_turns = Turns(8)
    all_turns.share(0.25)
    with all_turns.one() as turn:
        waiting = workers(all_turns, began, others)
        turn.took_s = 0.02
    assert pauses == [0.02] * others
    for worker in waiting:
        worker.end()


def test_a_share_of_a_turn_grows_to_turns_where_transactions_do_not_slow_each_other_down():
    limit = Limit(8)
    limit.fewest = FEWEST / 8
    assert after(limit, QUICK_S, 2) == pytest.approx(0.45)
    assert after(limit, QUICK_S) == 8
    assert limit.pause_s(QUICK_S) == 0


@pytest.mark.usefixtures("patient")
def test_a_turn_ends_with_an_error_too():
    all_turns = Turns(8)
    all_turns.share(0.5)
    with pytest.raises(ZeroDivisionError), all_turns.one():
        raise ZeroDivisionError
    with all_turns.one():
        pass


def test_a_turn_that_lasts_too_long_does_not_count_any_more(monkeypatch: pytest.MonkeyPatch):
    began: list[Worker] = []
    all_turns = Turns(8)
    stuck = workers(all_turns, began, FEWEST_ALONE)
    monkeypatch.setattr(turns, "LONGEST_WAIT_S", 0.01)
    late = [Worker(all_turns, began) for _ in range(FEWEST_ALONE)]
    eventually(lambda: len(began) == 2 * FEWEST_ALONE)
    monkeypatch.setattr(turns, "LONGEST_WAIT_S", 20)
    (following,) = workers(all_turns, began, 1)
    assert following not in began
    stuck[0].end()
    assert following not in began
    late[0].end()
    eventually(lambda: following in began)
    for worker in (stuck[1], late[1], following):
        worker.end()
    with all_turns.one(), all_turns.one():
        assert not all_turns.waiting
