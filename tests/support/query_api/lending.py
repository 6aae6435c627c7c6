"""Titles that are lent and given back, and the processes that tell of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient
from stdnum import ean

from eventstore.topics import identify
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from tests.support.query_api.process import Api
from tests.support.query_api.standin import Standin

A = "9781593275846"
AT = 1_700_000_000_000


def number(n: int) -> str:
    """A valid ISBN."""
    digits = f"978{n:09d}"
    return digits + str(ean.calc_check_digit(digits))


NUMBERS = [number(n) for n in range(40)]
ADDED = [BookAdded(isbn, "T", "A", 1, AT) for isbn in NUMBERS]


def standin(settings: Settings) -> Standin:
    """Writes to the system's topics."""
    return Standin(settings, identify(AdminClient(client_config(settings)), settings))


@contextmanager
def running(settings: Settings) -> Iterator[Api]:
    """A query API, ready."""
    api = Api(settings)
    try:
        yield api.start()
    finally:
        api.stop()


def lend(writer: Standin, n: int) -> Event:
    """The next event of one title: lent, or given back."""
    isbn = NUMBERS[n % len(NUMBERS)]
    at = AT + n
    return BookReturned(isbn, "ann", at) if writer.rows[isbn].loans else BookBorrowed(isbn, "ann", at, at)
