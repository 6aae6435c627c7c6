"""The two example consumer groups: their views, and that they run as programs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.most_borrowed.counts import Counts
from examples.overdue_notices.loans import Loans, Overdue
from foundation.settings import Settings
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookReturned,
    CopiesWithdrawn,
    DetailsCorrected,
    Event,
    LoanRenewed,
)
from schemas.records import Recorded
from tests.support.library.event_writer import write_events
from tests.support.names_writer import NamesWriter

A, B = "9781593275846", "9781680502992"
DAY = 24 * 3600 * 1000


def recorded(version: int, event: Event) -> Recorded:
    return Recorded(0, version, version, event, {})


@pytest.fixture
def loans(tmp_path: Path) -> Loans:
    return Loans(tmp_path / "loans.db")


def test_overdue_notices_remind_a_borrower_once(loans: Loans) -> None:
    loans.apply(recorded(1, BookAdded(A, "Elixir", "", 2, 0)))
    loans.apply(recorded(2, BookBorrowed(A, "ann", 0, DAY)))
    loans.apply(recorded(3, BookBorrowed(A, "bob", 0, 2 * DAY)))
    assert list(loans.overdue(DAY)) == []
    assert list(loans.overdue(DAY + 1)) == [Overdue(A, "Elixir", "ann", DAY)]
    assert list(loans.overdue(DAY + 1)) == []
    assert [loan.user_id for loan in loans.overdue(3 * DAY)] == ["bob"]


@pytest.mark.parametrize(
    "event",
    [BookReturned(A, "ann", 1), CopiesWithdrawn(A, 1, "lost", 1, "ann"), LoanRenewed(A, "ann", 1, 5 * DAY)],
)
def test_overdue_notices_skip_returned_lost_and_renewed_copies(loans: Loans, event: Event) -> None:
    loans.apply(recorded(1, BookAdded(A, "Elixir", "", 2, 0)))
    loans.apply(recorded(2, BookBorrowed(A, "ann", 0, DAY)))
    loans.apply(recorded(3, event))
    assert list(loans.overdue(2 * DAY)) == []


def test_a_repeated_event_does_not_change_an_example(loans: Loans) -> None:
    borrowed, returned = BookBorrowed(A, "ann", 0, DAY), BookReturned(A, "ann", 1)
    for version, event in (
        (1, BookAdded(A, "Elixir", "", 2, 0)),
        (2, borrowed),
        (3, returned),
        (2, borrowed),
    ):
        loans.apply(recorded(version, event))
    assert list(loans.overdue(2 * DAY)) == []


def test_most_borrowed_sorts_by_loans_and_shows_the_current_title() -> None:
    counts = Counts()
    events: list[Event] = [
        BookAdded(A, "Elixr", "", 2, 0),
        BookAdded(B, "Programming", "", 2, 0),
        DetailsCorrected(A, "Elixir", "", 1),
        BookBorrowed(A, "ann", 0, DAY),
        BookBorrowed(B, "ann", 0, DAY),
        BookBorrowed(A, "bob", 0, DAY),
    ]
    for version, event in enumerate(events):
        counts.apply(recorded(version, event))
    assert counts.top(5) == [(2, A, "Elixir"), (1, B, "Programming")]
    assert counts.top(1) == [(2, A, "Elixir")]


def told(settings: Settings) -> dict[str, str]:
    """The environment of a program that is to read this system."""
    return os.environ | {"LIBRARY_KAFKA": settings.kafka, "LIBRARY_NAME": settings.name}


def example(name: str, settings: Settings, *arguments: str) -> str:
    """What the example prints when it is run as its page says."""
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}", *arguments],
        env=told(settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_programs_run_against_a_store(settings: Settings, tmp_path: Path) -> None:
    write_events(
        settings,
        [
            (1, BookAdded(A, "Elixir", "Sasa Juric", 2, 0)),
            (2, BookBorrowed(A, "ann", 0, DAY)),
        ],
    )
    assert example("most_borrowed", settings) == f"1\t{A}\tElixir\n"
    state = ("--state", str(tmp_path / "state.db"))
    notice = {"user_id": "ann", "isbn": A, "title": "Elixir", "due": "1970-01-02"}
    assert json.loads(example("overdue_notices", settings, *state)) == notice
    assert example("overdue_notices", settings, *state) == ""


def test_overdue_notices_name_the_borrower_and_store_the_token(settings: Settings, tmp_path: Path) -> None:
    (token,) = NamesWriter(settings).register("ann-0048213")
    lent = BookBorrowed(A, token, 0, DAY)
    write_events(settings, [(1, BookAdded(A, "Elixir", "Sasa Juric", 2, 0)), (2, lent)])
    state = tmp_path / "state.db"
    notice = {"user_id": "ann-0048213", "isbn": A, "title": "Elixir", "due": "1970-01-02"}
    assert json.loads(example("overdue_notices", settings, "--state", str(state))) == notice
    assert b"ann-0048213" not in state.read_bytes()


def test_the_program_in_the_consumer_groups_page_runs(settings: Settings, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "consumer-groups.md").read_text("utf-8")
    program = tmp_path / "new_titles.py"
    (text,) = [block for block in page.split("```python\n") if block.startswith('"""Prints each title')]
    program.write_text(text.partition("```")[0], "utf-8")
    write_events(settings, [(1, BookAdded(A, "Elixir", "", 2, 0)), (2, BookBorrowed(A, "ann", 0, DAY))])

    def lines_until(wanted: str) -> list[str]:
        lines: list[str] = []
        with subprocess.Popen(
            [sys.executable, program], cwd=tmp_path, env=told(settings), stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            while not lines or lines[-1] not in (wanted, ""):
                lines.append(running.stdout.readline())
            running.send_signal(signal.SIGINT)
        return lines

    first, second = f"{A}\tElixir\n", f"{B}\tProgramming\n"
    assert lines_until(first) == [first]
    write_events(settings, [(1, BookAdded(B, "Programming", "", 1, 0))])
    # It goes on; only what it had not committed when it was stopped comes again
    assert lines_until(second) in ([second], [first, second])
