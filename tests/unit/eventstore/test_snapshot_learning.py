"""A snapshot learns in the background which keys its file does not have."""

from pathlib import Path

import pytest

from eventstore.state.snapshot import Snapshot
from eventstore.state.write_state import StreamState, WriteState
from foundation.settings import Settings
from inventory.domain import library
from inventory.rules import UNKNOWN
from tests.support.waiting import eventually

LIBRARY = library(21, "UTC")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data directory with a snapshot of 1,000 streams."""
    settings = Settings(data_dir=str(tmp_path))
    snapshot, state = Snapshot(settings, 0, LIBRARY, "store"), WriteState(LIBRARY)
    state.streams = {str(number): StreamState(UNKNOWN, 1) for number in range(1000)}
    state.next = 7
    snapshot.save(state)
    snapshot.close()
    return settings


def test_absent_ids_cost_no_read_once_the_fingerprints_are_learnt(settings: Settings):
    snapshot = Snapshot(settings, 0, LIBRARY, "store")
    state = snapshot.load()

    def learnt() -> bool:
        snapshot.learn_in_background()
        snapshot.settle(state)
        assert snapshot._map is not None
        return len(snapshot._map.learnt) == 16

    eventually(learnt)
    assert snapshot._map is not None
    statements: list[str] = []
    snapshot._map._db.set_trace_callback(statements.append)
    state.prepare([], [f"new-{number}" for number in range(10)])
    assert [state.accepted(f"new-{number}") for number in range(10)] == [()] * 10
    assert statements == []
    assert state.stream("999").version == 1
    snapshot.close()


def test_a_closed_snapshot_stops_learning(settings: Settings):
    snapshot = Snapshot(settings, 0, LIBRARY, "store")
    snapshot.load()
    snapshot.learn_in_background()
    learning = snapshot._learning
    assert learning is not None
    snapshot.close()
    assert learning.stopping
    learning.join(60)
    assert not learning.is_alive()
