"""Garbage collection pauses for a block, and is as before after it."""

import gc

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


def test_free_memory_can_be_returned_at_any_time():
    return_free_memory()
