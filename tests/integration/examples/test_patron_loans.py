"""The loans of each borrower: the table, its query, and the commands that take ``--projection``."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from examples.patron_loans.__main__ import open_loans
from examples.patron_loans.projection import CODEC, TABLE, PatronLoan, PatronRow, borrower, fold
from foundation.cli import exits
from foundation.settings import Settings
from library.store.offsets import end, group_lag
from library.store.table_part import table_parts
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)
from schemas.records import recorded
from tests.support.names_writer import NamesWriter
from tests.support.projector.event_store import EventStore
from tests.support.projector.library_command import library
from tests.support.projector.table_check import read_topic
from tests.support.projector.topic_damage import write_changelog
from tests.support.projector.worker_process import Crew, crew_of
from tests.support.waiting import eventually

PROJECTION = "examples.patron_loans.projection:PROJECTION"
A, B = "9781593275846", "9781680502992"


def table_rows(settings: Settings, partition: int) -> dict[bytes, bytes]:
    """The encoded rows of a partition by key."""
    return next(table_parts(settings, TABLE, partition, dict[bytes, bytes]())).rows


@pytest.fixture
def settings(new_settings) -> Settings:
    """A library of three partitions, with the projection's changelog."""
    settings: Settings = new_settings(partitions=3)
    done = library(settings, "topics", "create", "--projection", PROJECTION)
    assert (done.returncode, done.stdout) == (exits.DONE, "")
    assert f"{settings.name}-patron-loans-loans-changelog exists, with 3 partitions" in done.stderr
    assert "inventory" not in done.stderr
    return settings


@pytest.fixture
def crew(settings: Settings) -> Iterator[Crew]:
    with crew_of(settings) as crew:
        yield crew


@pytest.fixture
def folded(settings: Settings, crew: Crew) -> Settings:
    """The system with 400 events that a worker has folded; the worker is stopped."""
    EventStore(settings).append(400, aborted=0.1)
    worker = crew.start(projection=PROJECTION)
    until_folded(settings)
    assert worker.stop() == 0
    return settings


def until_folded(settings: Settings) -> None:
    group = TABLE.group_id(settings)
    eventually(lambda: not sum(group_lag(settings, events_topic(settings), group).values()), limit=60)


def changelog_end(settings: Settings) -> int:
    return sum(end(settings, TABLE.changelog(settings)).values())


def loans_by_borrower(settings: Settings) -> dict[str, set[PatronLoan]]:
    """The open loans, computed from all events without the projection."""
    loans: dict[tuple[str, str], PatronLoan] = {}
    for message in read_topic(settings, events_topic(settings)):
        match recorded(message).event:
            case BookBorrowed(isbn, user, at, due):
                loans[user, isbn] = PatronLoan(isbn, at, due)
            case LoanRenewed(isbn, user, _, due):
                loans[user, isbn] = replace(loans[user, isbn], due_at=due)
            case BookReturned(isbn, user) | CopiesWithdrawn(isbn, user_id=str(user)):
                del loans[user, isbn]
    found: dict[str, set[PatronLoan]] = {}
    for (user, _), loan in loans.items():
        found.setdefault(user, set()).add(loan)
    return found


def test_the_table_has_the_open_loans_of_each_borrower(folded: Settings) -> None:
    expected = loans_by_borrower(folded)
    assert len(expected) > 50
    for user in sorted(expected)[:5]:
        assert set(open_loans(folded, user)) == expected[user]
    stored: dict[str, set[PatronLoan]] = {}
    for partition in range(3):
        for row in map(CODEC.decode, table_rows(folded, partition).values()):
            stored[row.user_id] = stored.get(row.user_id, set()) | set(row.loans)
    assert {user: loans for user, loans in stored.items() if loans} == expected


def test_verify_passes_and_names_rows_that_contradict_their_events(folded: Settings) -> None:
    done = library(folded, "verify", "--projection", PROJECTION, "--json")
    assert (done.returncode, done.stderr) == (exits.DONE, "")
    summary = json.loads(done.stdout)
    assert summary["differences"] == 0
    stored = table_rows(folded, 0)
    assert summary["rows"] > len(stored) > 3
    (wrong_key, wrong), (damaged_key, damaged), *_ = stored.items()
    row: PatronRow = CODEC.decode(wrong)
    stray = CODEC.encode(PatronRow(user_id="stray", first_offset=1, last_offset=1))
    rows = [
        (wrong_key, CODEC.encode(replace(row, loans=(*row.loans, PatronLoan(A, 1, 2))))),
        (damaged_key, damaged[:-1]),
        (b"stray", stray),
    ]
    write_changelog(folded, 0, rows, TABLE)
    done = library(folded, "verify", "--projection", PROJECTION)
    assert done.returncode == exits.NOT_FOUND
    header, *lines = done.stdout.splitlines()
    assert header == "key\tdifference"
    found = dict(line.split("\t") for line in lines)
    assert found.keys() == {wrong_key.decode(), damaged_key.decode(), "stray"}
    assert found[wrong_key.decode()] == "differs in loans"
    assert found[damaged_key.decode()].startswith("the row can't be read: not a PatronRow")
    assert found["stray"] == "no events produce this row"
    assert "3 differences" in done.stderr


def test_replay_computes_every_row_anew(folded: Settings, crew: Crew) -> None:
    before = [table_rows(folded, partition) for partition in range(3)]
    key, row = next(iter(before[0].items()))
    write_changelog(folded, 0, [(key, CODEC.encode(replace(CODEC.decode(row), loans=())))], TABLE)
    written = changelog_end(folded)
    done = library(folded, "replay", "--projection", PROJECTION)
    assert done.returncode == exits.DONE
    assert f"{TABLE.group_id(folded)} will replay from the beginning" in done.stderr
    crew.start(projection=PROJECTION)
    until_folded(folded)
    assert [table_rows(folded, partition) for partition in range(3)] == before
    assert changelog_end(folded) >= written + sum(map(len, before))
    assert library(folded, "verify", "--projection", PROJECTION).returncode == exits.DONE
    refused = library(folded, "replay", "--projection", PROJECTION)
    assert refused.returncode == exits.FAILED
    assert "has active members" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--projection", "nowhere"], "is not MODULE:NAME"),
        (["--projection", PROJECTION, "--group", "g"], "give --group or --projection"),
        (["--projection", PROJECTION, "--to-offset", "0:1"], "from the beginning only"),
    ],
)
def test_replay_of_a_projection_refuses_impossible_arguments(broker: str, arguments, says) -> None:
    done = library(Settings(kafka=broker), "replay", *arguments)
    assert done.returncode == exits.MALFORMED
    assert says in done.stderr


def test_verify_without_the_changelog_says_how_to_create_it(new_settings) -> None:
    settings = new_settings(partitions=1)
    done = library(settings, "verify", "--projection", PROJECTION)
    assert done.returncode == exits.UNAVAILABLE
    assert f"`library topics create --projection {PROJECTION}` makes the topics" in done.stderr


def test_verify_names_the_workers_of_a_table_that_does_not_catch_up(settings: Settings) -> None:
    EventStore(settings).append(20)
    done = library(replace(settings, deadline=2.0), "verify", "--projection", PROJECTION)
    assert done.returncode == exits.FAILED
    assert f"the log of the workers of {TABLE.group_id(settings)} shows why" in done.stderr


def test_a_worker_without_a_changelog_names_the_command_that_creates_it(new_settings) -> None:
    settings = new_settings(partitions=1)
    with crew_of(settings) as crew:
        worker = crew.start(projection=PROJECTION)
        assert worker.ended(60) == exits.BAD_DATA
        assert f"`library topics create --projection {PROJECTION}`" in worker.log.read_text("utf-8")


def test_show_prints_the_loans_of_a_borrower_from_all_partitions(settings: Settings, crew: Crew) -> None:
    store = EventStore(settings)
    assert partition_of(A, 3) != partition_of(B, 3)
    for isbn, due in ((A, 1_800_000_000_000), (B, 1_790_000_000_000)):
        store.write(1, BookAdded(isbn, "t", "a", 2, 1), BookBorrowed(isbn, "ann", 1_764_000_000_000, due))
    crew.start(projection=PROJECTION)
    until_folded(settings)
    flags = ["--kafka", settings.kafka, "--name", settings.name, "--partitions", "3"]

    def show(user: str) -> tuple[str, str]:
        command = [sys.executable, "-m", "examples.patron_loans", "show", user, *flags]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == exits.DONE
        return done.stdout, done.stderr

    borrowed = "2025-11-24T16:00:00.000Z"
    assert show("ann")[0].splitlines() == [
        "isbn\tborrowed_at\tdue_at",
        f"{B}\t{borrowed}\t2026-09-21T14:13:20.000Z",
        f"{A}\t{borrowed}\t2027-01-15T08:00:00.000Z",
    ]
    assert show("bob")[1] == "bob has no open loan\n"
    # The events have tokens, and the names are elsewhere
    (token,) = NamesWriter(settings).register("card 1")
    store.write(3, BookBorrowed(A, token, 1_764_000_000_000, 1_800_000_000_000))
    until_folded(settings)
    assert show("card 1")[0].splitlines()[1:] == [f"{A}\t{borrowed}\t2027-01-15T08:00:00.000Z"]
    assert show("card 2")[1] == "card 2 has no open loan\n"


@pytest.mark.parametrize(
    "event",
    [
        BookAdded(A, "t", "a", 1, 1),
        BookRemoved(A, 1),
        CopiesAdded(A, 1, 1),
        CopiesWithdrawn(A, 1, "damaged", 1),
        DetailsCorrected(A, "t", "a", 1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_without_a_borrower_concerns_no_row(event: Event) -> None:
    assert borrower(event) is None


@pytest.mark.parametrize("event", [BookReturned(A, "ann", 3), CopiesWithdrawn(A, 1, "lost", 3, "ann")])
def test_a_returned_or_lost_copy_ends_only_its_own_loan(event: Event) -> None:
    other = PatronLoan(B, 1, 9)
    row = PatronRow(user_id="ann", loans=(PatronLoan(A, 1, 8), other))
    assert borrower(event) == "ann"
    assert fold(row, event).loans == (other,)
