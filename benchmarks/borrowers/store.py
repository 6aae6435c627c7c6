"""Stores with the same events and different numbers of borrowers, filled once and kept for later runs."""

import time
from pathlib import Path
from uuid import uuid4

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from benchmarks.harness.results import say
from eventstore.append.deadline import Deadline
from eventstore.partitions import partition_of
from eventstore.state.outcomes import Accepted, submit
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from inventory.commands import AddBook, BorrowBook, Command
from inventory.isbn import in_house
from producer.names.names import Names
from producer.writers import writer_of
from schemas.patrons import new_token
from schemas.topics import ensure_names_topic, ensure_topics

TITLES = 200
COPIES = 1000
LOANS_A_TITLE = 5
NAMES_A_TRANSACTION = 5_000
LIMIT_S = 120.0
DONE = "filled"
"""A file that is written last: the store is complete."""


class Store(Struct, frozen=True):
    """A filled store: ``settings.data_dir`` is in ``folder``."""

    settings: Settings
    folder: Path
    borrowers: int

    def borrower(self, number: int) -> str:
        """The user id of a borrower; the first TITLES have LOANS_A_TITLE loans each."""
        return f"card-{number:010}"

    @property
    def options(self) -> list[str]:
        """The options that lead any of our programs to the store."""
        settings = self.settings
        return ["--kafka", settings.kafka, "--name", settings.name, "--data-dir", settings.data_dir]


def filled(kafka: str, folder: Path, borrowers: int) -> Store:
    """The store in ``folder``; it is filled if that has not been done yet."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    settings = Settings(
        kafka=kafka, name=folder.name, data_dir=str(folder / "data"), gateway="", deadline=LIMIT_S
    )
    store = Store(settings, folder, borrowers)
    if not (folder / DONE).exists():
        admin = AdminClient(client_config(settings))
        ensure_topics(admin, settings)
        ensure_names_topic(admin, settings)
        begun = time.monotonic()
        names = Names(settings)
        register(store, names)
        lend(store, names)
        names.close()
        say(f"{borrowers:,} borrowers registered in {time.monotonic() - begun:.0f} s")
        (folder / DONE).touch()
    return store


def register(store: Store, names: Names) -> None:
    """Give all borrowers their tokens, as the first loan of each does."""
    for first in range(0, store.borrowers, NAMES_A_TRANSACTION):
        numbers = range(first, min(first + NAMES_A_TRANSACTION, store.borrowers))
        registered = names.register(
            {store.borrower(number): new_token() for number in numbers}, Deadline(LIMIT_S)
        )
        assert registered, "somebody else registers borrowers of this store"


def lend(store: Store, names: Names) -> None:
    """Add the titles, and lend some copies of each to one of the first borrowers after the other."""
    commands: list[Command] = [AddBook(in_house(n), f"Title {n}", "A Writer", COPIES) for n in range(TITLES)]
    for n in range(TITLES * LOANS_A_TITLE):
        title = (n + n // TITLES) % TITLES
        commands.append(BorrowBook(in_house(title), store.borrower(n % TITLES)))
    settings = store.settings
    for partition in range(settings.partitions):
        own = [one for one in commands if partition_of(one.isbn, settings.partitions) == partition]
        writer = writer_of(settings, partition, names=names)
        outcomes = writer.execute([submit(uuid4().hex, one) for one in own], LIMIT_S)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes[:3]
        writer.close()
