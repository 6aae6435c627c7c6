"""An engine and images for the session; where they can't be had, the tests are skipped and say why."""

from collections.abc import Iterator

import pytest

from tests.containers.commands import NoContainers
from tests.containers.engine import Engine
from tests.containers.engine import engine as some_engine
from tests.containers.images import Images, forget
from tests.containers.images import images as some_images
from tests.containers.system import IMAGE


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """One that answers, or our own."""
    try:
        with some_engine() as found:
            yield found
    except NoContainers as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def images(engine: Engine) -> Iterator[Images]:
    """Real ones, or stand-ins."""
    try:
        made = some_images(engine)
    except NoContainers as error:
        pytest.skip(str(error))
    yield made
    engine.docker("image", "rm", "--force", IMAGE)
    forget(engine, made)
