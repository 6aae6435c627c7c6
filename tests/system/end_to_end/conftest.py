"""One system for all end-to-end tests; each test uses its own titles."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from stdnum import ean

from tests.system.end_to_end.system import System

_numbers = count(1)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("system"))
    running.up()
    try:
        yield running
    finally:
        running.down()


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
