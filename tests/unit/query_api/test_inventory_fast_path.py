"""The fast path answers as the routes do, and from the present state whatever changes and however often."""

import random
from pathlib import Path
from typing import Any

import pytest

from foundation.http.callers import AllowedHosts
from query_api.http.app import titles_at_once
from query_api.http.freshness import Reading
from query_api.http.inventory_parameters import FRESH_TITLE, PAGE, PAST_TITLE, parse_ordinary
from query_api.http.metrics import Metrics
from schemas.events import BookAdded, BookBorrowed, BookRemoved, BookReturned, Event
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.loan_traffic import number

AT = 1714564800123
TITLES = [number(n) for n in range(6)]


WORDS = ("River", "Čapek", "o'Neill", "20")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    """Titles with some history, one of them removed."""
    events: list[Event] = []
    for place, isbn in enumerate(TITLES):
        title, author = f"The {WORDS[place % 4]} {place}", f"{WORDS[place % 3]} A."
        events += [BookAdded(isbn, title, author, 1, AT + place), BookBorrowed(isbn, "ann", AT + 1000, AT)]
    events += [BookReturned(TITLES[1], "ann", AT + 2000), BookRemoved(TITLES[1], AT + 3000)]
    return ApiWithoutKafka(tmp_path_factory.mktemp("api"), events)


def by_the_framework(api: ApiWithoutKafka, path: str, headers: Any = None) -> Any:
    """The fast path leaves requests with an Origin to the framework."""
    return api.ask(path, headers={"Origin": "http://localhost", **(headers or {})})


def assert_same_answer(one: Any, other: Any) -> None:
    assert (one.status_code, one.content) == (other.status_code, other.content)
    assert sorted(one.headers.items()) == sorted(other.headers.items())


def assert_answered_without_the_framework(
    api: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch, path: str, if_none_match: str | None
) -> None:
    """The fast path answers by itself, and as the framework does."""
    headers = {} if if_none_match is None else {"If-None-Match": if_none_match}
    expected = by_the_framework(api, path, headers)
    assert expected.status_code == (304 if if_none_match == "*" else 200)

    async def refuse(*_: Any) -> None:
        raise AssertionError("the fast path passed the request on")

    monkeypatch.setattr(api.app, "_app", refuse)
    assert_same_answer(api.ask(path, headers=headers), expected)


@pytest.mark.parametrize("if_none_match", [None, '"other"', "*"])
@pytest.mark.parametrize(
    "path",
    [
        "/inventory",
        "/inventory?limit=2",
        "/inventory?limit=2&sort=-title&available=false",
        "/inventory?q=river&limit=1&held=false",
        "/inventory?q=th+%C4%8Cap&limit=1&author=capek",
        "/inventory?author=o%27neill&sort=updated_at",
        "/inventory?at=2024-05-01T12:00:00.124Z&limit=1",
        "/inventory?at=2024-05-01T14:00:02%2B02:00&limit=3&sort=-isbn",
        f"/inventory/{TITLES[0]}?at=2024-05-01T12:00:00.123Z",
        f"/inventory/{TITLES[0]}?version=1",
        f"/inventory/{TITLES[1]}?version=3",
        f"/inventory/{TITLES[2]}",
    ],
)
def test_the_fast_path_answers_as_the_framework_does(
    api: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch, path: str, if_none_match: str | None
):
    assert_answered_without_the_framework(api, monkeypatch, path, if_none_match)


def last_position(api: ApiWithoutKafka, isbn: str, beyond: int = 0) -> str:
    """The position of the last event in the title's partition, or one further on."""
    partition = api.reading.partition_of(isbn)
    return f"{partition}:{api.next[partition] - 1 + beyond}"


@pytest.mark.parametrize("if_none_match", [None, '"other"', "*"])
@pytest.mark.parametrize("timeout", ["", "&timeout=0", "&timeout=2.5", "&timeout=30"])
def test_a_title_after_a_write_is_answered_as_by_the_framework(
    api: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch, timeout: str, if_none_match: str | None
):
    path = f"/inventory/{TITLES[2]}?after={last_position(api, TITLES[2])}{timeout}"
    assert_answered_without_the_framework(api, monkeypatch, path, if_none_match)


@pytest.mark.parametrize(
    "query",
    [
        "after={there}&timeout=05",
        "after={there}&timeout=31",
        "after={there}&after={there}",
        "after={there}&version=1",
        "after={there},{there}",
        "after=999:1",
        "after=",
        "timeout=1",
        "after={beyond}&timeout=0.01",
    ],
)
@pytest.mark.parametrize("isbn", [TITLES[2], TITLES[1], "9780000000002"])
def test_the_framework_answers_after_a_write_what_the_fast_path_does_not(
    api: ApiWithoutKafka, query: str, isbn: str
):
    filled = query.format(there=last_position(api, isbn), beyond=last_position(api, isbn, 1))
    path = f"/inventory/{isbn}?{filled}"
    assert_same_answer(api.ask(path), by_the_framework(api, path))


def test_a_request_that_waited_in_vain_does_not_begin_to_wait_again(
    api: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch
):
    waits, soon = [], Reading.soon

    async def counted(reading: Reading, needs: dict[int, int], timeout: float) -> bool:
        waits.append(timeout)
        return await soon(reading, needs, timeout)

    monkeypatch.setattr(Reading, "soon", counted)
    path = f"/inventory/{TITLES[2]}?after={last_position(api, TITLES[2], 1)}&timeout=0.01"
    assert api.ask(path).json()["code"] == "beyond_the_end"
    assert waits == [0.01]


@pytest.mark.parametrize(
    "path",
    [
        f"/inventory/{TITLES[1]}",
        f"/inventory/{TITLES[1]}?version=4",
        f"/inventory/{TITLES[1]}?version=9",
        f"/inventory/{TITLES[0]}?version=1&at=2024-05-01T12:00:00Z",
        f"/inventory/{TITLES[0]}?at=2020-01-01T00:00:00Z",
        f"/inventory/{TITLES[0]}?at=2999-01-01T00:00:00Z",
        "/inventory/9780000000000?version=1",
        "/inventory/97800000?version=1",
        "/inventory?limit=0",
        "/inventory?limit=501",
        "/inventory?limit=2&limit=3",
        "/inventory?sort=size",
        "/inventory?at=yesterday",
        "/inventory?at=2024-05-01T12:00:00Z&sort=title",
        "/inventory?cursor=abc",
        "/inventory?available=yes&q=",
        "/inventory?q=%FF",
        "/inventory?shelf=1",
        "/inventory?after=0:0&limit=1",
    ],
)
def test_the_framework_answers_what_the_fast_path_does_not(api: ApiWithoutKafka, path: str):
    assert_same_answer(api.ask(path), by_the_framework(api, path))


@pytest.mark.parametrize(
    "start", ["", "q=river&", "at=2024-05-01T12%3a00:01Z&", "sort=-author&available=false&"]
)
def test_the_links_of_pages_lead_through_all_titles(api: ApiWithoutKafka, start: str):
    whole = [title["isbn"] for title in api.ask(f"/inventory?{start}limit=500").json()["items"]]
    assert len(whole) > 1
    for ask in (api.ask, lambda path: by_the_framework(api, path)):
        found, path = [], f"/inventory?{start}limit=1"
        while path:
            answer = ask(path)
            found += [title["isbn"] for title in answer.json()["items"]]
            path = answer.links.get("next", {}).get("url", "")
        assert found == whole


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        (b"limit=20&q=a+b%20c", {"limit": 20, "q": "a b c"}),
        (b"available=true&sort=-isbn", {"available": True, "sort": "-isbn"}),
        (b"q=%C4%8D", {"q": "č"}),
        (b"limit=020", None),
        (b"limit=501", None),
        (b"q=a&q=b", None),
        (b"q=", None),
        (b"q=%FF", None),
        (b"q=%zz", None),
        (b"q=%", None),
        (b"q=\xc4", None),
        (b"q=a&", None),
        (b"%71=a", None),
        (b"after=0:1", None),
    ],
)
def test_only_ordinary_parameters_are_parsed_without_the_framework(
    query: bytes, parsed: dict[str, Any] | None
):
    assert parse_ordinary(query, PAGE) == parsed


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        (b"after=3:17", {"after": "3:17"}),
        (b"timeout=2.5&after=0%3A1,1:2", {"after": "0:1,1:2", "timeout": 2.5}),
        (b"after=0:1&timeout=30.5", None),
        (b"after=0:1&timeout=nan", None),
        (b"after=0:1&timeout=+5", None),
        (b"after=0", None),
        (b"after=0:" + b"1" * 19, None),
        (b"after=" + b"0:1," * 1000 + b"0:1", None),
    ],
)
def test_only_ordinary_positions_and_times_are_parsed_without_the_framework(
    query: bytes, parsed: dict[str, Any] | None
):
    assert parse_ordinary(query, FRESH_TITLE) == parsed


def test_a_version_beyond_a_number_of_sqlite_is_left_to_the_framework():
    assert parse_ordinary(b"version=7", PAST_TITLE) == {"version": 7}
    assert parse_ordinary(b"version=9223372036854775807", PAST_TITLE) is None


def asked(path: str, *headers: tuple[bytes, bytes], method: str = "GET", host: bytes = b"localhost") -> Any:
    """An ASGI request, as far as titles are answered by it."""
    path, _, query = path.partition("?")
    names = [(b"host", host), *headers]
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": names}


@pytest.mark.parametrize("query", ["", "version=1", "version=2", "at=2024-05-01T14:00:00.125%2B02:00"])
def test_a_title_answered_at_once_is_the_one_of_the_framework_and_counts(api: ApiWithoutKafka, query: str):
    hosts, metrics = AllowedHosts(api.settings), Metrics(api.reading, api.operations)
    at_once = titles_at_once(api.reading, metrics, hosts)
    path = f"/inventory/{TITLES[2]}"
    # The framework folds a past title, and remembers it
    tag = by_the_framework(api, f"{path}?{query}").headers["etag"]
    for sent, joined in (([], {}), (['"other"', tag], {"If-None-Match": f'"other", {tag}'})):
        expected = by_the_framework(api, f"{path}?{query}", joined)
        answer = at_once(asked(f"{path}?{query}", *((b"if-none-match", value.encode()) for value in sent)))
        assert answer is not None
        assert (answer.status, answer.body) == (expected.status_code, expected.content)
        assert sorted(answer.headers) == sorted((name.lower(), value) for name, value in expected.headers.raw)
    text = metrics.text()
    assert b'library_api_answers_total{status="200"} 1.0' in text
    assert b'library_api_answers_total{status="304"} 1.0' in text


@pytest.mark.parametrize(
    "request_",
    [
        asked(f"/inventory/{TITLES[1]}"),
        asked("/inventory/9780000000000"),
        asked("/inventory/+780000000000"),
        asked(f"/inventory/{TITLES[2]}", method="HEAD"),
        asked(f"/inventory/{TITLES[2]}", method="POST"),
        asked(f"/inventory/{TITLES[2]}?version=3"),
        asked(f"/inventory/{TITLES[2]}?version=01"),
        asked(f"/inventory/{TITLES[2]}?version=1&at=2024-05-01T12:00:00Z"),
        asked(f"/inventory/{TITLES[2]}?at=2999-01-01T00:00:00Z"),
        asked(f"/inventory/{TITLES[2]}?at=2020-01-01T00:00:00Z"),
        asked(f"/inventory/{TITLES[2]}?after=0:0"),
        # Removed by then
        asked(f"/inventory/{TITLES[1]}?version=4"),
        asked(f"/inventory/{TITLES[2]}", (b"origin", b"http://localhost")),
        asked(f"/inventory/{TITLES[2]}", (b"host", b"localhost")),
        asked(f"/inventory/{TITLES[2]}", host=b"example.org"),
        asked("/inventory?limit=1"),
    ],
)
def test_what_is_no_ordinary_request_for_a_title_is_not_answered_at_once(api: ApiWithoutKafka, request_: Any):
    metrics = Metrics(api.reading, api.operations)
    assert titles_at_once(api.reading, metrics, AllowedHosts(api.settings))(request_) is None
    assert not metrics.answers_at_once


def test_a_past_title_is_answered_at_once_when_it_was_folded_before(tmp_path: Path):
    api = ApiWithoutKafka(tmp_path, [BookAdded(TITLES[0], "T", "A", 2, AT)])
    at_once = titles_at_once(api.reading, Metrics(api.reading, api.operations), AllowedHosts(api.settings))
    path = f"/inventory/{TITLES[0]}?version=1"
    assert at_once(asked(path)) is None
    assert_same_answer(api.ask(path), by_the_framework(api, path))
    assert at_once(asked(path)) is not None


def change(stock: ApiWithoutKafka, isbn: str) -> Event:
    """Something that can happen to the title."""
    row = stock.rows.get(isbn)
    if row is None or row.removed:
        return BookAdded(isbn, "T", "A", 2, AT)
    if row.loans:
        return BookReturned(isbn, "ann", AT)
    return BookRemoved(isbn, AT) if row.version % 5 == 0 else BookBorrowed(isbn, "ann", AT, AT)


@pytest.mark.parametrize(
    ("few", "batches", "kept"), [(64, 64, 4096), (2, 64, 4096), (64, 2, 4096), (64, 64, 2)]
)
def test_a_cached_response_equals_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, batches: int, kept: int
):
    monkeypatch.setattr("query_api.replica.replica._MAX_REMEMBERED_TITLES", few)
    monkeypatch.setattr("query_api.replica.replica._REMEMBERED_BATCHES", batches)
    monkeypatch.setattr("query_api.http.title_reader.MOST_KEPT", kept)
    chance = random.Random(few * batches * kept)
    stock = ApiWithoutKafka(tmp_path)
    for _ in range(60):
        for _ in range(chance.randrange(4)):
            stock.put(*[change(stock, isbn) for isbn in chance.sample(TITLES, chance.randint(1, 4))])
        for isbn in chance.choices(TITLES, k=3):
            # The same title with hyphens is not kept
            plain, other = (
                stock.ask(f"/inventory/{spelling}") for spelling in (isbn, f"{isbn[:3]}-{isbn[3:]}")
            )
            assert (plain.status_code, plain.content) == (other.status_code, other.content)
            assert plain.headers.get("etag") == other.headers.get("etag")
            assert plain.headers["inventory-position"] == stock.reading.position()


def test_a_rebuilt_replica_does_not_reuse_cached_responses(tmp_path: Path):
    stock, other = (
        ApiWithoutKafka(tmp_path / title, [BookAdded(TITLES[0], title, "A", 2, AT)])
        for title in ("One", "Other")
    )
    assert stock.ask(f"/inventory/{TITLES[0]}").json()["title"] == "One"
    stock.follower.file.replica = other.replica
    assert stock.ask(f"/inventory/{TITLES[0]}").json()["title"] == "Other"
