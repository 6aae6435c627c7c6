"""Pages of the inventory: filters, search, order, and cursors while rows change."""

import random
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import ean

from query_api.queries.page import TitleFilters
from query_api.queries.titles import SlowQuery, find_titles
from query_api.replica.search_text import has_words, search_key
from schemas.events import (
    BookAdded,
    BookBorrowed,
    BookRemoved,
    BookReturned,
    CopiesAdded,
    DetailsCorrected,
    Event,
)
from schemas.row import InventoryRow
from schemas.times import rfc3339
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.event_strategies import START, event_logs

SORTS = ["isbn", "-isbn", "title", "-title", "author", "-author", "updated_at", "-updated_at"]


def number(n: int) -> str:
    digits = f"978{n:09d}"
    return digits + ean.calc_check_digit(digits)


def walk(stock: ApiWithoutKafka, **parameters: Any) -> list[dict[str, Any]]:
    """The items of all pages."""
    items: list[dict[str, Any]] = []
    path: str | None = f"/inventory?{urlencode(parameters)}"
    while path is not None:
        answer = stock.ask(path)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= int(parameters["limit"])
        items += page["items"]
        path = answer.links["next"]["url"] if "next" in answer.links else None
        assert (path is None) == (page["next_cursor"] is None)
    return items


def ordered(rows: list[InventoryRow], sort: str) -> list[str]:
    keys = {
        "isbn": lambda row: (row.isbn,),
        "title": lambda row: (search_key(row.title)[:80], row.isbn),
        "author": lambda row: (search_key(row.author)[:80], row.isbn),
        "updated_at": lambda row: (row.updated_at, row.isbn),
    }
    key: Any = keys[sort.lstrip("-")]
    return [row.isbn for row in sorted(rows, key=key, reverse=sort.startswith("-"))]


searches = st.sampled_from(["eli", "juric s", "fusse", "日本", "war peace", "wa", "e", "zz", "--"])
authors = st.sampled_from(["juric", "SA jur", "w", "日", "eli act", "--"])


@settings(max_examples=30, deadline=None)
@given(
    event_logs(), st.none() | searches, st.none() | authors, st.none() | st.booleans(),
    st.sampled_from(SORTS), st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_pages_are_the_filtered_and_sorted_rows(
    events: list[Event], q: str | None, author: str | None, available: bool | None, sort: str, limit: int,
    past: bool,
):  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        stock = ApiWithoutKafka(Path(folder), events)
        wanted = [
            row
            for row in stock.rows.values()
            if not row.removed
            and (q is None or has_words(q, row.title, row.author))
            and (author is None or has_words(author, row.author))
            and available in (None, row.available > 0)
        ]
        parameters: dict[str, Any] = {"sort": sort, "limit": limit}
        if q is not None:
            parameters["q"] = q
        if author is not None:
            parameters["author"] = author
        if past and sort.endswith("isbn"):
            parameters["at"] = rfc3339(START + 1_000_000)
        if available is not None:
            parameters["available"] = str(available).lower()
        found = walk(stock, **parameters)
        assert [item["isbn"] for item in found] == ordered(wanted, sort)
        for item in found:
            assert item["on_loan"] == item["quantity"] - item["available"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30), st.text(min_size=1, max_size=6), st.sampled_from([0, 64]))
def test_the_search_index_agrees_with_a_plain_scan(title: str, author: str, q: str, named: int):
    """The past is searched by ``has_words``, the present by the index, with and without the list of words."""
    import sqlite3

    from query_api.queries.titles import match_expression
    from query_api.replica.rows import put_long_words
    from query_api.replica.tables import TABLES

    db = sqlite3.connect(":memory:")
    db.executescript(TABLES)
    db.execute(
        "INSERT INTO search (rowid, title, author) VALUES (1, ?, ?)", (search_key(title), search_key(author))
    )
    put_long_words(db, [search_key(title), search_key(author)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("query_api.queries.titles.MAX_NAMED_WORDS", named)
        expression = match_expression(db, q)
    found = bool(expression) and bool(
        db.execute("SELECT count(*) FROM search WHERE search MATCH ?", (expression,)).fetchone()[0]
    )
    assert found == has_words(q, title, author)


def test_a_long_beginning_finds_all_words_that_begin_with_it(tmp_path: Path):
    titles = [f"Riverside{n:03} at the river" if n % 2 else f"River{n:03}" for n in range(80)]
    stock = ApiWithoutKafka(
        tmp_path, [BookAdded(number(n), title, "A", 1, START) for n, title in enumerate(titles)]
    )
    stock.put(DetailsCorrected(number(0), "Rivers", "Rivera", START))
    for q, author, count in (
        ("river", "", 80), ("rivers", "", 41), ("riverside0", "", 40), ("riverside001", "", 1),
        ("rivero", "", 0), ("river", "rive", 1), ("river000", "", 0), ("rivers at", "", 40),
    ):  # fmt: skip
        query = f"/inventory?limit=500&q={q}" + (f"&author={author}" if author else "")
        assert len(stock.ask(query).json()["items"]) == count, query


@pytest.mark.parametrize(
    ("filters", "quick"),
    [
        (TitleFilters(), True),
        (TitleFilters(sort="-updated_at"), True),
        (TitleFilters("river the"), True),
        (TitleFilters(author="anne"), True),
        (TitleFilters("t"), True),
        (TitleFilters("日本語"), True),
        (TitleFilters("--"), True),
        (TitleFilters("river", sort="title"), False),
        (TitleFilters(available=True), False),
        (TitleFilters("river", held=False), False),
    ],
)
def test_a_query_that_may_be_slow_says_so_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: TitleFilters, quick: bool
):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(number(0), "The rivers 日本語", "Anne", 1, START)])
    db = stock.replica.connect()
    whole = find_titles(db, filters, 5, None)
    if quick:
        assert find_titles(db, filters, 5, None, only_quick=True) == whole
    else:
        with pytest.raises(SlowQuery):
            find_titles(db, filters, 5, None, only_quick=True)


@pytest.mark.parametrize("limit", ["MAX_QUICK_TITLES", "MAX_NAMED_WORDS"])
def test_a_search_of_a_large_store_or_for_many_words_may_be_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(number(0), "The rivers", "Anne", 1, START)])
    monkeypatch.setattr(f"query_api.queries.titles.{limit}", 0)
    with pytest.raises(SlowQuery):
        find_titles(stock.replica.connect(), TitleFilters("river the"), 5, None, only_quick=True)


@pytest.mark.parametrize("sort", SORTS)
def test_an_unchanged_title_is_listed_once_while_others_change(tmp_path: Path, sort: str):
    chance = random.Random(sort)
    numbers = [number(n) for n in range(120)]
    stock = ApiWithoutKafka(
        tmp_path, [BookAdded(n, f"T{chance.randrange(40)}", "A", 3, START) for n in numbers]
    )
    still = set(numbers[::3])
    restless = [n for n in numbers if n not in still]
    seen: list[str] = []
    cursor = ""
    step = 0
    while True:
        page = stock.ask(f"/inventory?limit=7&sort={sort}{cursor}").json()
        seen += [item["isbn"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        for isbn in chance.sample(restless, 10):
            step += 1
            if stock.rows[isbn].removed:
                stock.put(BookAdded(isbn, "T1", "B", 3, START + step))
            elif step % 3 == 0:
                stock.put(BookRemoved(isbn, START + step))
            else:
                stock.put(DetailsCorrected(isbn, f"T{chance.randrange(40)}", "C", START + step))
    assert sorted(n for n in seen if n in still) == sorted(still)


def test_a_cursor_belongs_to_its_filters(tmp_path: Path):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(number(n), "T", "A", 3, START) for n in range(5)])
    cursor = stock.ask("/inventory?limit=2&sort=title").json()["next_cursor"]
    assert stock.ask(f"/inventory?limit=3&sort=title&cursor={cursor}").status_code == 200
    for other in ("sort=author", "sort=title&q=t", "sort=title&available=true", "sort=title&author=a"):
        answer = stock.ask(f"/inventory?{other}&cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "q", ["Jurić", "Juric\u0301", "  jurić ", "\tJURIC\n", "\u00a0Jurić", "Jurić\u200b", "ＪＵＲＩＣ"]
)
def test_a_search_finds_a_name_however_it_is_typed(tmp_path: Path, q: str):
    stock = ApiWithoutKafka(tmp_path, [BookAdded(number(1), "Elixir in Action", "Saša Jurić", 1, START)])
    assert [item["isbn"] for item in walk(stock, q=q, limit=10)] == [number(1)]
    assert [item["isbn"] for item in walk(stock, q=q, limit=10, at="2024-05-01T12:00:00Z")] == [number(1)]
    assert [item["isbn"] for item in walk(stock, author=q, limit=10)] == [number(1)]
    assert walk(stock, author="Elixir", q=q, limit=10) == []


def test_loan_pages_filter_by_borrower_title_and_due_date(tmp_path: Path):
    now = 4_000_000_000_000
    numbers = [number(n) for n in range(4)]
    stock = ApiWithoutKafka(tmp_path, [BookAdded(n, f"Title {n}", "A", 5, START) for n in numbers])
    due = START
    for isbn in numbers:
        for user in ("ann", "bob", "eve"):
            due += 1
            stock.put(BookBorrowed(isbn, user, START, now if user == "eve" else due))
    stock.put(BookReturned(numbers[0], "ann", START), CopiesAdded(numbers[0], 1, START))

    def loans(query: str) -> list[tuple[str, str]]:
        found, path = list[dict[str, Any]](), f"/loans?limit=2{query}"
        while path:
            answer = stock.ask(path)
            assert answer.headers["cache-control"] == "no-store"
            found += answer.json()["items"]
            path = answer.links["next"]["url"] if "next" in answer.links else ""
        assert [item["due_at"] for item in found] == sorted(item["due_at"] for item in found)
        assert all(item["title"] == f"Title {item['isbn']}" for item in found)
        return sorted((item["isbn"], item["user_id"]) for item in found)

    everything = [(n, u) for n in numbers for u in ("ann", "bob", "eve") if (n, u) != (numbers[0], "ann")]
    assert loans("") == everything
    assert loans("&user_id=ann") == [(n, "ann") for n in numbers[1:]]
    assert loans(f"&isbn={numbers[0]}") == [(numbers[0], "bob"), (numbers[0], "eve")]
    assert loans("&overdue=false") == [(n, "eve") for n in numbers]
    assert loans(f"&overdue=true&isbn={numbers[1]}&user_id=bob") == [(numbers[1], "bob")]
    assert loans("&user_id=nobody") == []
