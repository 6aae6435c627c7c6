"""Titles that are borrowed and returned, a writer of their events, and a query API that shows them."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient
from stdnum import ean

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from schemas.topics import identify
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.store_writer import StoreWriter

A = "9781593275846"
AT = 1_700_000_000_000


def number(n: int) -> str:
    """A valid ISBN."""
    digits = f"978{n:09d}"
    return digits + str(ean.calc_check_digit(digits))


NUMBERS = [number(n) for n in range(40)]
ADDED = [BookAdded(isbn, "T", "A", 1, AT) for isbn in NUMBERS]


def store_writer(settings: Settings) -> StoreWriter:
    """A writer to the topics of the system."""
    return StoreWriter(settings, identify(AdminClient(client_config(settings)), settings))


@contextmanager
def running_api(settings: Settings) -> Iterator[ApiProcess]:
    """Run a query API; yield it when it is ready."""
    api = ApiProcess(settings)
    try:
        yield api.start()
    finally:
        api.stop()


def next_loan_event(writer: StoreWriter, n: int) -> Event:
    """The next event of one title: borrowed or returned."""
    isbn = NUMBERS[n % len(NUMBERS)]
    at = AT + n
    return BookReturned(isbn, "ann", at) if writer.rows[isbn].loans else BookBorrowed(isbn, "ann", at, at)
