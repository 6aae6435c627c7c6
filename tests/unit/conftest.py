"""Unit tests run without a broker."""

import pytest


@pytest.fixture(scope="session")
def broker() -> str:
    """Refuse what would make the fast ring slow."""
    raise pytest.UsageError("tests/unit has no broker: put tests that need one into tests/integration")
