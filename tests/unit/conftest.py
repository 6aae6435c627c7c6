"""Unit tests run without a broker."""

import gc

import pytest


@pytest.fixture(scope="session")
def broker() -> str:
    """Refuse what would make the fast ring slow."""
    raise pytest.UsageError("tests/unit has no broker: put tests that need one into tests/integration")


def pytest_collection_finish() -> None:
    """Leave modules and tests out of garbage collection, which took a tenth of the time."""
    gc.collect()
    gc.freeze()
