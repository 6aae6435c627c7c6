"""A system with two inventory tables, each as far as a test writes it."""

from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from library.tables.record import change_tables
from schemas.events import BookAdded, BookBorrowed, BookReturned
from schemas.tables import inventory_table
from schemas.topics import ensure_topics, identify
from tests.support.query_api.store_writer import StoreWriter

A = "9781593275846"
AT = 1_700_000_000_000


class TwoTables:
    """Events of one title, and rows in two tables, each as far as it is written."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        admin = AdminClient(client_config(settings))
        ensure_topics(admin, settings, tables=[inventory_table(1), inventory_table(2)])
        self._writer = StoreWriter(settings, identify(admin, settings))

    def append(self) -> int:
        """Append an event; return the title's version."""
        version = self._writer.versions.get(A, 0) + 1
        if version == 1:
            self._writer.append(BookAdded(A, "T", "A", 2, AT))
        elif version % 2:
            self._writer.append(BookReturned(A, "ann", AT))
        else:
            self._writer.append(BookBorrowed(A, "ann", AT, AT))
        return version

    def write(self, table: int) -> None:
        """Bring one table up to date."""
        self._writer.rows.clear()
        self._writer.changelog = inventory_table(table).changelog(self.settings)
        self._writer.project(self._writer.log)

    def count(self, current: int, other: int) -> None:
        """Let this table count."""
        change_tables(
            self.settings,
            lambda now: replace(now, current=current, other=other, newest=2),
        )
