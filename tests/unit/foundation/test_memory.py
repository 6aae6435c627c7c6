"""Garbage collection pauses for a block, and is as before after it."""

import gc
import threading

import pytest

from foundation.memory import no_collections, return_free_memory


@pytest.fixture(autouse=True)
def collections():
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_collections_pause_for_a_block(enabled: bool):
    (gc.enable if enabled else gc.disable)()
    with no_collections():
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_collections_pause_until_the_last_of_several_threads_has_finished():
    ended = threading.Event()

    def other() -> None:
        with no_collections():
            inside.wait()
            ended.wait()

    inside = threading.Barrier(2)
    thread = threading.Thread(target=other)
    with no_collections():
        thread.start()
        inside.wait()
    paused = not gc.isenabled()
    ended.set()
    thread.join()
    assert paused
    assert gc.isenabled()


def test_free_memory_can_be_returned_at_any_time():
    return_free_memory()
