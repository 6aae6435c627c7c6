"""The table is exact, whatever happens to the workers: against the real broker, row by row."""

import random

import pytest

from tests.support.projector.event_store import EventStore
from tests.support.projector.table_check import assert_exact, until_caught_up, until_lag
from tests.support.waiting import eventually


@pytest.mark.slow
def test_the_table_is_exact_after_repeated_kills_with_aborted_transactions(settings, crew):
    store = EventStore(settings)
    chance = random.Random(7)
    for _ in range(4):
        worker = crew.start(faults="batch:50")
        store.append(300, transaction=chance.choice([1, 5, 50]), aborted=0.2)
        worker.until_ready()
        enough = chance.randrange(40, 300)
        until_lag(settings, enough.__gt__)
        worker.kill()
        store.append(100, transaction=1, aborted=0.2)
    crew.start()
    assert_exact(settings)


@pytest.mark.slow
def test_the_table_is_exact_after_a_kill_at_each_step_of_a_batch(settings, crew):
    """Each worker continues after the last one's kill; a wrong row would stay wrong."""
    store = EventStore(settings)
    store.append(400, transaction=10, aborted=0.2)
    for place in (
        "before-append:2", "in-transaction:2", "after-append:2", "after-store:2", "before-commit:1",
        "after-commit:1", "after-claim:1",
    ):  # fmt: skip
        assert crew.start(faults=f"batch:20 die:{place}").ended() == -9, place
        store.append(100, transaction=10, aborted=0.2)
    crew.start()
    assert_exact(settings)


@pytest.mark.parametrize("write", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_worker_frozen_before_a_write_cannot_write_old_rows_over_newer_ones(settings, crew, write):
    """The first write is the one that counts: a worker that claims when it writes would not be refused."""
    store = EventStore(settings)
    frozen = crew.start(0, f"session:6 batch:40 freeze:before-append:{write}")
    store.append(200)
    eventually(lambda: frozen.is_frozen)
    # Another one takes over, and writes the same rows and newer ones
    crew.start(1)
    until_caught_up(settings)
    store.append(200)
    until_caught_up(settings)
    frozen.thaw()
    # It goes on with its write, is refused, and ends, so that its supervisor starts a sound one
    assert frozen.ended() == 1
    assert "fenced" in frozen.log.read_text("utf-8").lower()
    assert_exact(settings)
    store.append(100)
    assert_exact(settings)


def test_the_table_is_exact_for_partitions_without_a_commit(settings, crew):
    """A restart once resumed them behind their first events."""
    crew.start().until_ready().kill()
    store = EventStore(settings)
    store.append(300, transaction=3)
    crew.start().until_ready().kill()
    store.append(300, transaction=3)
    crew.start()
    assert_exact(settings)
