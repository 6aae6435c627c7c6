"""Workers that no test leaves behind."""

from collections.abc import Callable, Iterator

import pytest

from foundation.settings import Settings
from tests.support.projector.worker_process import Crew, crew_of


@pytest.fixture
def settings(new_settings: Callable[..., Settings]) -> Settings:
    """A system of three partitions: as telling as eight, and quicker to start."""
    return new_settings(partitions=3)


@pytest.fixture
def crew(settings: Settings) -> Iterator[Crew]:
    """Starts workers of the test's system."""
    with crew_of(settings) as crew:
        yield crew
