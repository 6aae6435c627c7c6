"""The library that the page is tried with: titles in several scripts, and a year of loans."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace
from stdnum import ean

from foundation.settings import Settings
from library.store.pseudonyms import register
from schemas.directory import Directory
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)
from tests.support.library.event_writer import write_events
from tests.support.library.installed_system import System

DAY_MS = 86_400_000
LOAN_MS = 21 * DAY_MS
WORKS = (
    ("The Left Hand of Darkness", "Ursula K. Le Guin"),
    ("Elixir in Action", "Saša Jurić"),
    ("Válka s mloky", "Karel Čapek"),
    ("מאה שנים של בדידות", "גבריאל גארסיה מארקס"),
    ("ألف ليلة وليلة", "مؤلف مجهول"),
    ("Война и мир", "Лев Толстой"),
    ("Invisible Cities", "Italo Calvino"),
    ("A Wizard of Earthsea", "Ursula K. Le Guin"),
    ("Solaris", "Stanisław Lem"),
    ("The Waves", "Virginia Woolf"),
    ("Middlemarch", "George Eliot"),
    ("Pedro Páramo", "Juan Rulfo"),
    ("The Book of Sand", "Jorge Luis Borges"),
    ("Kitchen", "Banana Yoshimoto"),
    ("Beloved", "Toni Morrison"),
)
TITLES = 300
BUSY = 1
"""The number of the title with the longest history."""
BUSY_EVENTS = 400
ATTACK = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def settings_of(system: System) -> Settings:
    """For programs that read and write the system's Kafka."""
    return Settings(kafka=f"127.0.0.1:{system.kafka_port}", partitions=2)


def isbn_of(number: int) -> str:
    """The ISBN of the title with this number."""
    digits = f"978{100_000_000 + number:09d}"
    return digits + str(ean.calc_check_digit(digits))


def stock(now: int) -> list[Event]:
    """All events, in the order of their times; the last before ``now`` (ms)."""
    rng = random.Random(3)
    events: list[Event] = []
    for number in range(TITLES):
        title, author = WORKS[number % len(WORKS)]
        if number >= len(WORKS):
            title = f"{title}, volume {number // len(WORKS) + 1}"
        added_at = now - 400 * DAY_MS + number * 60_000
        quantity = rng.randint(1, 9)
        events.append(BookAdded(isbn_of(number), title, author, quantity, added_at))
        count = BUSY_EVENTS if number == BUSY else rng.randint(0, 18) if number < 80 else 0
        events += _life(rng, number, quantity, count, added_at, now)
    return sorted(events, key=lambda event: event.timestamp)


def _life(
    rng: random.Random, number: int, quantity: int, count: int, since: int, now: int
) -> Iterator[Event]:
    isbn, readers = isbn_of(number), list[str]()
    step = (now - since) * 3 // (2 * count + 4) if count else 0
    at = since
    for index in range(count):
        at += rng.randint(step // 3, step)
        if at >= now:
            return
        chance = rng.random()
        if readers and (len(readers) >= quantity or chance < 0.44):
            yield BookReturned(isbn, readers.pop(rng.randrange(len(readers))), at)
        elif chance < 0.48:
            quantity += 1
            yield CopiesAdded(isbn, 1, at)
        elif chance < 0.51 and quantity - len(readers) > 1:
            quantity -= 1
            yield CopiesWithdrawn(isbn, 1, "water damage", at)
        elif chance < 0.55 and readers:
            yield LoanRenewed(isbn, readers[0], at, at + LOAN_MS)
        elif chance < 0.56:
            title, author = WORKS[number % len(WORKS)]
            yield DetailsCorrected(isbn, title, f"{author}, translated", at)
        else:
            readers.append(f"reader-{number:02d}-{index:03d}")
            yield BookBorrowed(isbn, readers[-1], at, at + LOAN_MS)


def fill(settings: Settings, events: list[Event]) -> None:
    """Write ``events`` to the event store of a system, as a writer would in one transaction.

    Their borrowers get tokens.
    """
    borrowers = {user_id for event in events if (user_id := getattr(event, "user_id", None)) is not None}
    directory = register(settings, sorted(borrowers))
    write_events(settings, _numbered([_with_token(event, directory) for event in events]))


def _with_token(event: Event, directory: Directory) -> Event:
    named: Any = event
    token = directory.token_of(getattr(event, "user_id", None) or "")
    return event if token is None else replace(named, user_id=token)


def _numbered(events: list[Event]) -> Iterator[tuple[int, Event]]:
    versions: Counter[str] = Counter()
    for event in events:
        versions[event.isbn] += 1
        yield versions[event.isbn], event
