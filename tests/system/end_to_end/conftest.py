"""One system for all end-to-end tests; each test uses its own titles."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from stdnum import ean

from tests.support.library.installed_system import System

_numbers = count(1)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(tmp_path_factory.mktemp("system"), partitions=8)
    with made.running():
        yield made


@pytest.fixture
def new_isbn() -> Callable[[], str]:
    """Make ISBNs that no other test uses."""

    def make() -> str:
        digits = f"979{next(_numbers):09d}"
        return digits + str(ean.calc_check_digit(digits))

    return make


@pytest.fixture
def isbn(new_isbn: Callable[[], str]) -> str:
    return new_isbn()
