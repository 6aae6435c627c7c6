"""The counts of loans are exact, in SQLite and in PostgreSQL, whenever their process is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.append.peers import postgresql_server
from eventstore.groups import GroupDescriber
from eventstore.reader import Batch
from eventstore.recorded import Recorded
from examples.loans_per_day.counts import LoansPerDay, TakenOver
from foundation.settings import Settings
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from schemas.reader import open_reader
from tests.support.library.event_writer import numbered_isbn, write_events
from tests.support.waiting import eventually

DAY_MS = 24 * 3600 * 1000
TITLES = 40
LOANS = 30
"""Of each title."""
KILLS = 5


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with postgresql_server("os") as port:
        if port is None:
            pytest.skip("PostgreSQL is not installed: on Debian, apt-get install postgresql")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database."""
    if request.param == "sqlite":
        return str(tmp_path / "loans.db")
    import psycopg

    server: str = request.getfixturevalue("postgresql")
    name = f"loans_{os.urandom(6).hex()}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.removesuffix("postgres") + name


@pytest.fixture
def counts(database: str) -> Iterator[LoansPerDay]:
    with closing(LoansPerDay(database)) as counts:
        yield counts


def batch(*loans: tuple[int, int, int], starts: int) -> Batch[Event]:
    """Loans at (partition, offset, day)."""
    records: list[Recorded[Event]] = [
        Recorded(part, offset, 2, BookBorrowed("9781593275846", "ann", day * DAY_MS, 0), {})
        for part, offset, day in loans
    ]
    ends = {part: offset + 1 for part, offset, _ in loans}
    return Batch(records, dict.fromkeys(ends, starts), ends)


def test_a_batch_is_counted_together_with_its_offsets(counts: LoansPerDay) -> None:
    counts.apply(batch((0, 0, 0), (1, 0, 0), (1, 1, 1), starts=0))
    counts.apply(batch((1, 2, 1), starts=2))
    assert counts.rows() == [("1970-01-01", 2), ("1970-01-02", 2)]
    assert counts.offsets() == {0: 1, 1: 3}


def test_a_batch_that_another_process_has_counted_changes_nothing(counts: LoansPerDay, database: str) -> None:
    seen = batch((0, 0, 0), (1, 0, 0), starts=0)
    with closing(LoansPerDay(database)) as other:
        other.apply(batch((1, 0, 0), starts=0))
    with pytest.raises(TakenOver, match="partition 1"):
        counts.apply(seen)
    assert counts.rows() == [("1970-01-01", 1)]
    assert counts.offsets() == {1: 1}
    counts.apply(batch((0, 0, 0), starts=0))
    assert counts.rows() == [("1970-01-01", 2)]


def write_loans(settings: Settings) -> None:
    """Titles with LOANS loans each, one a day."""
    events: list[tuple[int, Event]] = [
        (1, BookAdded(numbered_isbn(title), "Title", "", 1, 0)) for title in range(TITLES)
    ]
    for loan in range(LOANS):
        for title in range(TITLES):
            isbn, at = numbered_isbn(title), loan * DAY_MS
            events.append((2 + 2 * loan, BookBorrowed(isbn, "ann", at, at + DAY_MS)))
            events.append((3 + 2 * loan, BookReturned(isbn, "ann", at)))
    write_events(settings, events)


@pytest.fixture
def store(settings: Settings) -> Settings:
    write_loans(settings)
    return settings


EXPECTED = [(datetime.fromtimestamp(24 * 3600 * n, UTC).date().isoformat(), TITLES) for n in range(LOANS)]


def test_offsets_stored_with_the_counts_are_right_where_the_commit_to_kafka_was_lost(
    store: Settings, counts: LoansPerDay
) -> None:
    def fail_after(transactions: int) -> None:
        with open_reader("loans", settings=store, stored=counts.offsets) as reader:
            for number, new in enumerate(reader.batches(max_records=50), 1):
                counts.apply(new)
                # Its offsets are in the database, and not in Kafka
                if number == transactions:
                    raise ZeroDivisionError

    for transactions in (1, 2, 3):
        with pytest.raises(ZeroDivisionError):
            fail_after(transactions)
    with open_reader("loans", settings=store, stored=counts.offsets) as reader:
        for new in reader.batches():
            counts.apply(new)
    assert counts.rows() == EXPECTED


BATCHES = 40
"""That one run counts before it pauses: on a slow machine it would otherwise finish before it is killed."""
COUNT = """
import signal
import sys
from examples.loans_per_day.counts import LoansPerDay
from schemas.reader import open_reader

counts, most, group = LoansPerDay(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None
with open_reader(group, stored=counts.offsets) as reader:
    for number, batch in enumerate(reader.batches(follow=True, max_records=7), 1):
        counts.apply(batch)
        if number == most:
            signal.pause()
"""


@contextmanager
def running(settings: Settings, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | {"LIBRARY_KAFKA": settings.kafka, "LIBRARY_NAME": settings.name},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def test_every_loan_is_counted_once_though_the_program_is_killed_at_any_moment(
    store: Settings, counts: LoansPerDay, database: str
) -> None:
    for kill in range(KILLS):
        before = sum(counts.offsets().values())
        # Without a group: a killed member would keep its partitions until its session has expired
        with running(store, "-c", COUNT, database, str(BATCHES), ""):
            eventually(lambda: sum(counts.offsets().values()) > before + 5 * kill, pause=0.001)  # noqa: B023
    assert 0 < sum(loans for _, loans in counts.rows()) < TITLES * LOANS
    with running(store, "-m", "examples.loans_per_day", "--database", database) as program:
        printed, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    assert printed.splitlines() == [f"{loans}\t{day}" for day, loans in EXPECTED]


@pytest.mark.slow
def test_every_loan_is_counted_once_by_two_programs_of_a_group_of_which_one_is_killed(
    settings: Settings, counts: LoansPerDay, database: str
) -> None:
    # A killed member of an earlier run would still be in a group that is always named the same
    describer, group = GroupDescriber(settings), f"loans of {settings.name}"

    def shares() -> list[int]:
        members = describer.description(group, settings.deadline).members
        return [len(member.assignment.topic_partitions) for member in members]

    def share(most: int) -> AbstractContextManager[subprocess.Popen[str]]:
        return running(settings, "-c", COUNT, database, str(most), group)

    with share(BATCHES) as killed, share(-1):
        eventually(lambda: len(shares()) == 2 and all(shares()))
        write_loans(settings)
        # The first one never gets through its share
        eventually(lambda: sum(counts.offsets().values()) > 10 * BATCHES)
        killed.kill()
        eventually(lambda: counts.rows() == EXPECTED)


def test_the_code_about_exactly_once_in_the_page_is_the_examples_code() -> None:
    root = Path(__file__).parents[3]
    code = "".join(file.read_text("utf-8") for file in (root / "examples" / "loans_per_day").glob("*.py"))
    section = (root / "docs" / "consumer-groups.md").read_text("utf-8").partition("### Exactly once")[2]
    blocks = [block.partition("```")[0] for block in section.split("```python\n")[1:]]
    assert len(blocks) == 2
    for block in blocks:
        assert block in code, f"not in examples/loans_per_day:\n{block}"
