"""The past equals an independent fold of the events up to there."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.row_fold import fold
from query_api.documents import json_of, title_document
from query_api.queries.loans import LoanFilters, loans_of
from query_api.queries.page import TitleFilters
from query_api.queries.past import titles_at
from query_api.replica.damage import Damaged
from query_api.replica.past import NotRemembered, PastTitles, row_at, version_at
from query_api.replica.replica import FILE
from schemas.events import BookAdded, BookBorrowed, BookReturned, Event
from schemas.row import InventoryRow
from schemas.times import parse_time, rfc3339
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START, event_logs, names
from tests.support.query_api.loan_traffic import number


def folded(events: list[Event], isbn: str) -> list[InventoryRow]:
    """The rows of a title, version by version."""
    rows: list[InventoryRow] = []
    for event in events:
        if event.isbn == isbn:
            rows.append(fold(rows[-1] if rows else None, len(rows) + 1, event))
    return rows


@settings(max_examples=40, deadline=None)
@given(event_logs(), st.integers(-1, 200), names, st.none() | st.booleans(), st.booleans(), st.integers(1, 6))
def test_past_rows_are_exact_for_every_version_and_time(
    events: list[Event], after: int, q: str, available: bool | None, downwards: bool, limit: int
):
    moment = START + after
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("query_api.replica.past.CHECKPOINT_INTERVAL_VERSIONS", 3)
        patch.setattr("query_api.queries.past.MAX_SCANNED_TITLES", 2)
        patch.setattr("query_api.queries.past.MAX_PASSED_TITLES", 2)
        stock = ApiWithoutKafka(Path(folder), events)
        db = stock.replica.connect()
        then: list[InventoryRow] = []
        for isbn in sorted(ISBNS, reverse=downwards):
            rows = folded(events, isbn)
            for version, row in enumerate(rows, 1):
                assert row_at(db, int(isbn), version=version) == row
            earlier = [row for row in rows if row.updated_at <= moment]
            loans = [loan for row in earlier[-1:] for loan in row.loans]
            assert past_loans(stock, isbn, moment) == sorted(
                (loan.due_at, loan.user_id, loan.borrowed_at) for loan in loans
            )
            assert row_at(db, int(isbn), at=moment) == (earlier[-1] if earlier else None)
            then += [row for row in earlier[-1:] if not row.removed]
        wanted = [row for row in then if available in (None, row.available > 0)]
        filters = TitleFilters(None, available, "-isbn" if downwards else "isbn", moment)
        assert pages(stock, filters, limit) == [json_of(title_document(row)) for row in wanted]


def past_loans(stock: ApiWithoutKafka, isbn: str, moment: int) -> list[tuple[int, str, int]]:
    """The title's loans at ``moment`` as (due, borrower, since), read page by page."""
    row = row_at(stock.replica.connect(), int(isbn), at=moment)
    found, after = list[tuple[int, str, int]](), None
    while row is not None:
        loans, after = loans_of(row, LoanFilters(), 1, after, moment)
        found += [
            (parse_time(loan.due_at), loan.user_id, parse_time(loan.borrowed_at))
            for loan in loans
            if loan.overdue == (parse_time(loan.due_at) < moment)
        ]
        if after is None:
            break
    return found


def pages(stock: ApiWithoutKafka, filters: TitleFilters, limit: int) -> list[bytes]:
    found, following = list[bytes](), None
    while True:
        page = titles_at(stock.replica.connect(), stock.replica.past.states, filters, limit, following)
        assert len(page.bodies) <= limit
        found += page.bodies
        following = page.following
        if following is None:
            return found


def test_a_page_of_the_past_passes_over_few_titles_that_came_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("query_api.queries.past.MAX_PASSED_TITLES", 3)
    isbns = [number(n) for n in range(8)]
    events: list[Event] = [BookAdded(isbns[7], "T", "A", 1, START)]
    stock = ApiWithoutKafka(
        tmp_path, events + [BookAdded(isbn, "T", "A", 1, START + 1) for isbn in isbns[:7]]
    )
    titles, after = list[int](), None
    for _ in range(3):
        page = titles_at(stock.replica.connect(), stock.replica.past.states, TitleFilters(at=START), 5, after)
        titles.append(len(page.bodies))
        after = page.following
    assert titles == [0, 0, 1]
    assert after is None


def test_a_past_state_is_folded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(isbn, isbn, "A", 1, START) for isbn in ISBNS])
    path = f"/inventory?at={rfc3339(START)}"
    first = stock.ask(path)

    def refuse(*_: object) -> None:
        raise AssertionError("a state was folded again")

    monkeypatch.setattr("query_api.replica.past._rows_at", refuse)
    # A later event changes nothing of it
    stock.put(BookBorrowed(ISBNS[0], "ann", START + 1, START))
    assert stock.ask(path).content == first.content
    assert stock.ask(f"/inventory/{ISBNS[0]}?version=1").json() in first.json()["items"]


def test_few_past_states_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("query_api.replica.past.MOST_REMEMBERED", 2)
    stock = ApiWithoutKafka(tmp_path, [BookAdded(isbn, isbn, "A", 1, START) for isbn in ISBNS])
    versions = [(int(isbn), 1) for isbn in sorted(ISBNS)]
    past, db = stock.replica.past, stock.replica.connect()
    for _ in range(2):
        assert [title.version for title in past.states(db, versions).values()] == [1] * len(ISBNS)
        assert sum(is_remembered(past, version) for version in versions) == 2


def is_remembered(past: PastTitles, version: tuple[int, int]) -> bool:
    try:
        past.remembered(sqlite3.connect(":memory:"), [version])
    except NotRemembered:
        return False
    return True


def test_a_title_with_a_long_history_starts_at_a_checkpoint(tmp_path: Path):
    isbn = ISBNS[0]
    events: list[Event] = [BookAdded(isbn, "T", "A", 1, START)]
    for n in range(1, 300):
        at = START + n
        events.append(BookReturned(isbn, "ann", at) if n % 2 == 0 else BookBorrowed(isbn, "ann", at, at))
    stock = ApiWithoutKafka(tmp_path)
    for n in range(0, 300, 50):
        stock.put(*events[n : n + 50])
    assert stock.replica.connect().execute("SELECT version FROM checkpoints ORDER BY 1").fetchall() == [
        (100,), (200,), (300,),
    ]  # fmt: skip
    for version in (1, 99, 100, 101, 250, 300):
        row = row_at(stock.replica.connect(), int(isbn), version=version)
        assert row is not None
        assert (row.version, row.available) == (version, version % 2)


def test_an_event_that_cannot_be_read_holds_the_title_from_then_on(tmp_path: Path):
    isbn = ISBNS[0]
    stock = ApiWithoutKafka(tmp_path, [BookAdded(isbn, "T", "A", 1, START)])
    stock.put((isbn, b"poison", START + 1), BookBorrowed(isbn, "ann", START + 2, START + 9))
    assert "held" not in stock.ask(f"/inventory/{isbn}?version=1").json()
    then = rfc3339(START)
    for query, found in (("held=true", 1), ("held=false", 0), (f"held=true&at={then}", 0), (f"at={then}", 1)):
        assert len(stock.ask(f"/inventory?{query}").json()["items"]) == found, query
    for path in (f"/inventory/{isbn}", f"/inventory/{isbn}?version=3"):
        answer = stock.ask(path).json()
        assert (answer["version"], answer["available"], answer["held"]["version"]) == (1, 1, 2)
    history = stock.ask(f"/inventory/{isbn}/history").json()["items"]
    assert [item["version"] for item in history] == [1, 2, 3]
    assert history[1]["error"]
    assert history[2]["type"] == "BookBorrowed"
    assert stock.ask("/stats").json()["held"] == 1
    assert "library_held_titles 1.0" in stock.ask("/metrics").text


def test_a_version_that_is_no_number_is_damage(tmp_path: Path):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(ISBNS[0], "River", "Author", 1, START)])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE events SET version = 'one'")
    with stock.replica.read() as read, pytest.raises(Damaged, match="another type"):
        version_at(read.db, int(ISBNS[0]), at=START)
