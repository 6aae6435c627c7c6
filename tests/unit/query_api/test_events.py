"""``GET /events``: all events in the order of their times, both ways, filtered; and one event whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.partitions import partition_of
from query_api.queries import events as queries
from query_api.replica.progress import Progress
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, BookReturned, CopiesAdded, Event
from schemas.times import rfc3339
from tests.support.query_api.api_without_kafka import PARTITIONS, ApiWithoutKafka
from tests.support.query_api.event_strategies import ISBNS, START

A, B = ISBNS[:2]
LAST = START + 400


def many_events() -> Iterator[Event | tuple[str, bytes, int]]:
    """Several titles in several partitions, some events at the same time, one that can't be decoded."""
    for isbn in ISBNS:
        yield BookAdded(isbn, f"Title {isbn}", "An Author", 3, START)
    for n in range(200):
        isbn, at = ISBNS[n % len(ISBNS)], START + n
        yield BookBorrowed(isbn, "ann", at, at + 9) if n % 2 == 0 else BookReturned(isbn, "ann", at)
    yield CopiesAdded(A, 2, START + 300)
    yield (B, b"\0\0\0\0\xff", LAST)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    return ApiWithoutKafka(tmp_path_factory.mktemp("events"), many_events())  # type: ignore[arg-type]


def pages(stock: ApiWithoutKafka, query: str) -> list[list[dict[str, Any]]]:
    """Every page of a listing."""
    answer = stock.ask(f"/events?{query}")
    assert answer.status_code == 200, answer.text
    found = [answer.json()["items"]]
    while (cursor := answer.json()["next_cursor"]) is not None:
        assert answer.links["next"]["url"].endswith(quote(cursor))
        answer = stock.ask(answer.links["next"]["url"])
        found.append(answer.json()["items"])
    return found


def positions(stock: ApiWithoutKafka, query: str) -> list[str]:
    return [item["position"] for page in pages(stock, query) for item in page]


def expected(stock: ApiWithoutKafka, **wanted: object) -> list[str]:
    """The positions of the stored events with these attributes, oldest first."""
    events = sorted(stock.stored, key=lambda e: (e.at, e.partition, e.offset))
    return [
        f"{e.partition}:{e.offset}"
        for e in events
        if all(getattr(e, name) == value for name, value in wanted.items())
    ]


@pytest.mark.parametrize("limit", [1, 7, 50, 500])
@pytest.mark.parametrize("sort", ["time", "-time"])
def test_every_event_is_listed_once_in_the_order_of_time(stock: ApiWithoutKafka, sort: str, limit: int):
    told = positions(stock, f"sort={sort}&limit={limit}")
    assert told == (expected(stock) if sort == "time" else expected(stock)[::-1])


def test_newest_first_is_the_default(stock: ApiWithoutKafka):
    (first, *_) = pages(stock, "limit=2")
    assert [item["type"] for item in first] == ["unknown", "CopiesAdded"]


def test_an_event_has_its_data_and_one_that_cannot_be_decoded_its_error(stock: ApiWithoutKafka):
    answer = stock.ask("/events?limit=2")
    damaged, added = answer.json()["items"]
    assert added == {
        "version": 42,
        "type": "CopiesAdded",
        "time": rfc3339(START + 300),
        "command_id": "c205",
        "command_digest": f"{205:032x}",
        "actor": "",
        "position": expected(stock, type="CopiesAdded")[0],
        "data": {"quantity": 2},
        "isbn": A,
    }
    assert (damaged["isbn"], damaged["data"], damaged["error"]) == (B, {}, "damaged")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("sort", ["time", "-time"])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=BookReturned", {"type": "BookReturned"}),
        ("type=CopiesAdded", {"type": "CopiesAdded"}),
        ("type=BookRemoved", {"type": "BookRemoved"}),
        ("type=unknown", {"type": "unknown"}),
        (f"isbn={A}", {"isbn": A}),
        (f"isbn={A}&type=BookBorrowed", {"isbn": A, "type": "BookBorrowed"}),
        ("isbn=9780134685991", {"isbn": "9780134685991"}),
        (f"partition={partition_of(A, PARTITIONS)}", {"partition": partition_of(A, PARTITIONS)}),
        (f"partition={partition_of(A, PARTITIONS)}&isbn={A}", {"isbn": A}),
        (f"partition={(partition_of(A, PARTITIONS) + 1) % PARTITIONS}&isbn={A}", {"isbn": "none"}),
    ],
)
def test_a_filter_selects_events_in_both_directions(
    stock: ApiWithoutKafka, query: str, wanted: dict[str, object], sort: str
):
    told = positions(stock, f"{query}&sort={sort}&limit=3")
    assert told == expected(stock, **wanted)[:: 1 if sort == "time" else -1]


@given(
    since=st.integers(-1, 206), until=st.integers(-1, 206), by_time=st.booleans(),
    sort=st.sampled_from(["time", "-time"]), isbn=st.sampled_from(["", f"&isbn={A}"]),
)  # fmt: skip
def test_bounds_by_time_and_by_position_select_the_events_between(
    stock: ApiWithoutKafka, since: int, until: int, by_time: bool, sort: str, isbn: str
):
    stored = [e for e in stock.stored if not isbn or e.isbn == A]
    events = sorted(stored, key=lambda e: (e.at, e.partition, e.offset))
    if by_time:
        low, high = sorted((START + since, START + until))
        query = f"since={rfc3339(low)}&until={rfc3339(high)}"
        wanted = [e for e in events if low <= e.at <= high]
    else:
        bounds = [{e.partition: e.offset for e in stock.stored[: max(1, n)]} for n in (since, until)]
        query = "&".join(
            f"{name}={','.join(f'{p}:{o}' for p, o in bound.items())}"
            for name, bound in zip(("since", "until"), bounds, strict=True)
        )
        wanted = [
            e for e in events if bounds[0].get(e.partition, -1) < e.offset <= bounds[1].get(e.partition, -1)
        ]
    told = positions(stock, f"{query}{isbn}&sort={sort}&limit=40")
    assert told == [f"{e.partition}:{e.offset}" for e in wanted][:: 1 if sort == "time" else -1]


def test_a_rare_type_is_searched_in_bounded_pages(stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queries, "MAX_EXAMINED_EVENTS", 20)
    monkeypatch.setattr(queries, "_WINDOW_EVENTS", 8)
    monkeypatch.setattr(queries, "_MIN_WINDOW_EVENTS", 2)
    for sort in ("time", "-time"):
        found = pages(stock, f"type=CopiesAdded&sort={sort}")
        assert len(found) > 5
        assert [item["type"] for page in found for item in page] == ["CopiesAdded"]


def test_an_event_that_comes_between_two_pages_is_on_none_of_the_older_ones(tmp_path: Path):
    stock = ApiWithoutKafka(
        tmp_path, [BookAdded(A, "T", "A", 1, START), BookAdded(B, "T", "A", 1, START + 1)]
    )
    first = stock.ask("/events?limit=1")
    (new,) = stock.put(CopiesAdded(A, 1, START + 2))
    (older,) = stock.ask(first.links["next"]["url"]).json()["items"]
    assert older["position"] == expected(stock)[0]
    after = stock.ask(f"/events?sort=time&since={first.headers['inventory-position']}").json()
    assert [item["position"] for item in after["items"]] == [new]


def test_events_that_the_table_lacks_are_listed(tmp_path: Path):
    """The projector is stopped: the events come all the same."""
    stock = ApiWithoutKafka(tmp_path, [BookAdded(A, "T", "A", 1, START)])
    now = stock.replica.progress
    stock.replica.progress = Progress(now.rows, now.history, (0,) * PARTITIONS, now.settled)
    assert [item["isbn"] for item in stock.ask("/events").json()["items"]] == [A]


def test_a_cursor_belongs_to_its_filters(stock: ApiWithoutKafka):
    cursor = stock.ask("/events?limit=1").json()["next_cursor"]
    answer = stock.ask(f"/events?limit=1&sort=time&cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    ("query", "code", "part"),
    [
        ("type=BookEaten", "bad_type", "BookAdded"),
        ("type=", "malformed", "type"),
        ("isbn=9781593275847", "bad_isbn", "check digit"),
        ("partition=-1", "malformed", "partition"),
        ("partition=x", "malformed", "partition"),
        (f"partition={PARTITIONS}", "bad_position", f"the event store has {PARTITIONS}"),
        ("since=yesterday", "bad_time", "since: 'yesterday'"),
        ("until=2024-05-01", "bad_time", "until: '2024-05-01'"),
        ("since=0:1,0:2", "bad_position", "since: partition 0 is named twice"),
        ("until=99:1", "bad_position", f"the event store has {PARTITIONS}"),
        ("sort=age", "malformed", "sort"),
        ("limit=0", "malformed", "limit"),
        ("cursor=abc", "bad_cursor", "start without one"),
        ("colour=red", "unknown_parameter", "it has"),
    ],
)
def test_a_bad_parameter_gets_a_sentence_that_names_it(
    stock: ApiWithoutKafka, query: str, code: str, part: str
):
    answer = stock.ask(f"/events?{query}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert part in answer.json()["detail"]


def test_one_event_is_returned_whole(stock: ApiWithoutKafka):
    added = next(e for e in stock.stored if e.type == "CopiesAdded")
    answer = stock.ask(f"/events/{added.partition}/{added.offset}")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "position": f"{added.partition}:{added.offset}",
        "key": f"{A}/42",
        "recorded_at": rfc3339(START + 300),
        "isbn": A,
        "version": 42,
        "type": "CopiesAdded",
        "time": rfc3339(START + 300),
        "command_id": "c205",
        "actor": "",
        "data": {"quantity": 2},
        "headers": [
            {"name": "command_id", "value": "c205"},
            {"name": "blob", "value": "\ufffd"},
            {"name": "empty", "value": None},
        ],
        "schema": {"id": 5, "name": "library.inventory.CopiesAdded", "version": 1},
        "value": encode(CopiesAdded(A, 2, START + 300)).hex(),
    }


def test_a_damaged_event_is_returned_with_its_bytes_and_the_reason(stock: ApiWithoutKafka):
    damaged = stock.stored[-1]
    told = stock.ask(f"/events/{damaged.partition}/{damaged.offset}").json()
    assert (told["type"], told["isbn"], told["value"]) == ("unknown", B, "00000000ff")
    assert told["schema"] == {"id": 255, "name": None, "version": None}
    assert "255 is unknown here" in told["error"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/events/{PARTITIONS}/0", 400, "bad_position"),
        ("/events/0/999999", 404, "no_such_event"),
        ("/events/x/0", 404, "no_such_route"),
        ("/events/0/-1", 400, "malformed"),
        ("/events/0", 404, "no_such_route"),
    ],
)
def test_an_event_that_is_not_there_is_a_problem_document(
    stock: ApiWithoutKafka, path: str, status: int, code: str
):
    answer = stock.ask(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
