"""Workers that no test leaves behind."""

from collections.abc import Iterator

import pytest

from foundation.settings import Settings
from tests.support.projector.worker_process import Crew, crew_of


@pytest.fixture
def crew(settings: Settings) -> Iterator[Crew]:
    """Starts workers of the test's system."""
    with crew_of(settings) as crew:
        yield crew
