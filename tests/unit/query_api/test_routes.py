"""The routes' answers: bodies, statuses, headers."""

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from inventory import isbn as identifiers
from query_api.replica.progress import Progress
from schemas.events import BookBorrowed
from tests.support.query_api.api_without_kafka import PARTITIONS, ApiWithoutKafka
from tests.support.query_api.stock import AT, A, B, stocked_api

NEVER = "9780262033848"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    """Shared by the tests that only read: an application takes longer to build than to answer."""
    return stocked_api(tmp_path_factory.mktemp("api"))


@pytest.fixture
def own_stock(tmp_path: Path) -> ApiWithoutKafka:
    """For tests that change its replica."""
    return stocked_api(tmp_path)


def problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["detail"]
    return said["status"], said["code"]


def test_a_title_is_returned_as_json(stock: ApiWithoutKafka):
    assert stock.ask(f"/inventory/{A}").json() == {
        "isbn": A,
        "title": "Elixir in Action",
        "author": "Saša Jurić",
        "quantity": 10,
        "available": 9,
        "on_loan": 1,
        "version": 2,
        "updated_at": "2024-05-01T12:00:01.123Z",
    }


@pytest.mark.parametrize("spelling", ["978-1593275846", "978-1-59327-584-6", "1593275846", "1-59327-584-6"])
def test_every_spelling_of_an_isbn_finds_its_title(stock: ApiWithoutKafka, spelling: str):
    assert identifiers.parse(spelling) == A
    assert stock.ask(f"/inventory/{spelling}").json() == stock.ask(f"/inventory/{A}").json()


def test_both_routes_of_a_title_answer_the_same(stock: ApiWithoutKafka):
    for headers in ({}, {"If-None-Match": '"x"'}, {"If-None-Match": "*"}):
        plain = stock.ask(f"/inventory/{A}", headers=headers)
        other = stock.ask("/inventory/978-1593275846", headers=headers)
        assert plain.status_code == other.status_code
        assert plain.content == other.content
        assert sorted(plain.headers.items()) == sorted(other.headers.items())


def test_an_etag_changes_only_with_the_content(own_stock: ApiWithoutKafka):
    tag = own_stock.ask(f"/inventory/{A}").headers["etag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = own_stock.ask(f"/inventory/{A}", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    own_stock.put(BookBorrowed(A, "ann", AT + 3000, AT))
    changed = own_stock.ask(f"/inventory/{A}", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    assert own_stock.ask(f"/inventory/{A}?version=2").headers["etag"] == tag


def test_unknown_and_removed_titles_are_distinguished(stock: ApiWithoutKafka):
    assert problem(stock.ask(f"/inventory/{NEVER}")) == (404, "unknown_title")
    assert problem(stock.ask(f"/inventory/{NEVER}/history")) == (404, "unknown_title")
    gone = stock.ask(f"/inventory/{B}")
    assert problem(gone) == (410, "removed")
    assert gone.json()["removed_at"] == "2024-05-01T12:00:02.123Z"
    assert [item["isbn"] for item in stock.ask("/inventory").json()["items"]] == [A]


def test_a_history_is_returned_in_pages(stock: ApiWithoutKafka):
    answer = stock.ask(f"/inventory/{B}/history")
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["isbn"] == B
    assert [item["type"] for item in told["items"]] == ["BookAdded", "BookRemoved"]
    assert told["items"][0] == {
        "version": 1,
        "type": "BookAdded",
        "time": "2024-05-01T12:00:00.124Z",
        "command_id": "c1",
        "command_digest": f"{1:032x}",
        "actor": "",
        "position": f"{stock.stored[1].partition}:{stock.stored[1].offset}",
        "data": {"title": "Programming Elixir", "author": "Dave Thomas", "quantity": 5},
    }
    first = stock.ask(f"/inventory/{A}/history?limit=1")
    assert len(first.json()["items"]) == 1
    second = stock.ask(first.links["next"]["url"]).json()
    assert second["next_cursor"] is None
    assert second["items"][0]["data"] == {"user_id": "user123", "due_at": "2024-05-01T12:01:39.123Z"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("version=1", 200),
        ("version=2", 410),
        ("version=3", 404),
        ("at=2024-05-01T12:00:00.123Z", 404),
        ("at=2024-05-01T12:00:00.124Z", 200),
        ("at=2024-05-01T14:00:02.122%2B02:00", 200),
        ("at=2024-05-01T12:00:02.123Z", 410),
        ("at=9998-01-01T00:00:00Z", 400),
        ("at=yesterday", 400),
        ("at=2024-05-01T12:00:00.124Z&version=1", 400),
    ],
)
def test_past_states_of_a_removed_title_are_returned(stock: ApiWithoutKafka, query: str, status: int):
    answer = stock.ask(f"/inventory/{B}?{query}")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["version"] == 1


def test_the_inventory_of_a_past_time_is_returned(stock: ApiWithoutKafka):
    then = stock.ask("/inventory?at=2024-05-01T12:00:00.500Z").json()["items"]
    assert [(item["isbn"], item["available"]) for item in then] == [(A, 10), (B, 5)]
    assert stock.ask("/inventory?at=2020-01-01T00:00:00Z").json() == {"items": [], "next_cursor": None}
    assert len(stock.ask("/inventory?at=2024-05-01T12:00:00.500Z&q=thomas").json()["items"]) == 1
    assert problem(stock.ask("/inventory?at=2024-05-01T12:00:00.500Z&sort=title")) == (400, "bad_sort")


NOT_FIVE = ("%2B5", "%205", "5%20", "5e0", "0_5", "05", "%D9%A5", "%EF%BC%95", "5.0", "0x5")
"""Spellings of 5 that Python understands, and JSON does not have for a whole number."""


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/loans?at=2024-05-01T12:00:00Z", 400, "at_without_isbn"),
        (f"/loans?isbn={A}&at=2999-05-01T12:00:00Z", 400, "in_the_future"),
        ("/inventory/9781593275847", 400, "bad_isbn"),
        ("/inventory/abc", 400, "bad_isbn"),
        ("/inventory?limit=0", 400, "malformed"),
        ("/inventory?limit=501", 400, "malformed"),
        ("/inventory?limit=x", 400, "malformed"),
        *((f"/inventory?limit={text}", 400, "malformed") for text in NOT_FIVE),
        *((f"/inventory/{A}?version={text}", 400, "malformed") for text in NOT_FIVE),
        *((f"/events?partition={text}", 400, "malformed") for text in NOT_FIVE),
        *((f"/stats?after=0:1&timeout={text}", 400, "malformed") for text in ("%2B5", "1_0", "nan", "05")),
        *((f"/events/{text}/0", 404, "no_such_route") for text in NOT_FIVE),
        *((f"/events/0/{text}", 404, "no_such_route") for text in NOT_FIVE),
        *((f"/schemas/ids/{text}", 404, "no_such_route") for text in NOT_FIVE),
        ("/inventory?sort=price", 400, "malformed"),
        *((f"/inventory?available={text}", 400, "malformed") for text in ("maybe", "TRUE", "1", "on", "t")),
        ("/loans?overdue=False", 400, "malformed"),
        ("/inventory?q=", 400, "malformed"),
        ("/inventory?colour=red", 400, "unknown_parameter"),
        (f"/inventory/{A}?limit=3", 400, "unknown_parameter"),
        ("/inventory?limit=3&limit=4", 400, "repeated_parameter"),
        ("/inventory?q=%ff", 400, "malformed"),
        ("/inventory/%2F", 404, "no_such_route"),
        (f"/inventory%2F{A}", 404, "no_such_route"),
        (f"/inventory/{A}%2fhistory", 404, "no_such_route"),
        ("/page%2Fsettings.json", 404, "no_such_route"),
        ("/page%2Fchanges.js", 404, "no_such_route"),
        (f"//inventory/{A}", 404, "no_such_route"),
        (f"/inventory//{A}", 404, "no_such_route"),
        ("/stats//", 404, "no_such_route"),
        ("/inventory?cursor=abc", 400, "bad_cursor"),
        ("/loans?isbn=123", 400, "bad_isbn"),
        ("/healthz?x=1", 400, "unknown_parameter"),
        ("/changes?since=0:1,0:2", 400, "bad_position"),
        ("/changes?since=99:1", 400, "bad_position"),
        ("/changes?from=2024-02-01T00:00:00Z&to=2024-01-01T00:00:00Z", 400, "bad_range"),
        ("/events?since=2024-02-01T00:00:00Z&until=2024-01-01T00:00:00Z", 400, "bad_range"),
        ("/stats?after=0", 400, "malformed"),
        ("/stats?after=0:1,0:2", 400, "bad_position"),
        ("/stats?after=99:1", 400, "bad_position"),
        ("/stats?after=0:1&timeout=31", 400, "malformed"),
        ("/nothing", 404, "no_such_route"),
        ("/openapi.json/x", 404, "no_such_route"),
        ("/schemas/ids/77", 404, "unknown_schema"),
        ("/schemas/ids/99999999999999999999", 404, "unknown_schema"),
        ("/subjects/x/versions/1", 404, "unknown_schema"),
        ("/subjects/library.inventory.BookAdded/versions/x", 422, "unknown_schema"),
    ],
)
def test_an_invalid_request_is_a_problem_document(stock: ApiWithoutKafka, path: str, status: int, code: str):
    assert problem(stock.ask(path)) == (status, code)


def test_a_parameter_is_named_as_the_caller_wrote_it(stock: ApiWithoutKafka):
    assert stock.ask("/changes?from=x").json()["detail"].startswith("from: ")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/inventory",
        f"/inventory/{A}",
        "/loans",
        "/stats",
        "/subjects",
        "/",
        f"/titles/{A}",
        "/page/changes.js",
    ],
)
def test_the_query_api_refuses_every_write(stock: ApiWithoutKafka, method: str, path: str):
    answer = stock.ask(path, method)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_the_type_of_the_metrics_names_the_charset_once(stock: ApiWithoutKafka):
    assert stock.ask("/metrics").headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"


PATHS = [
    "/inventory", f"/inventory/{A}", f"/inventory/{A}/history", f"/inventory/{B}", "/loans", "/stats",
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/subjects", "/nothing", "/inventory?x=1",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_the_security_headers(stock: ApiWithoutKafka, path: str):
    answer = stock.ask(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] in ("no-cache", "no-store")
    assert answer.headers["inventory-position"] == stock.reading.position()


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(stock: ApiWithoutKafka, path: str):
    got, head = stock.ask(path), stock.ask(path, "HEAD")
    assert head.content == b""
    assert head.status_code == got.status_code
    changing = {"content-length"} if path == "/metrics" else set()
    for name in ("content-type", "content-length", "etag", "cache-control", "link"):
        if name not in changing:
            assert head.headers.get(name) == got.headers.get(name)


def test_a_foreign_origin_or_host_is_refused(stock: ApiWithoutKafka):
    assert problem(stock.ask(f"/inventory/{A}", headers={"Host": "evil.example"})) == (421, "unknown_host")
    origin = {"Origin": "http://evil.example"}
    assert problem(stock.ask(f"/inventory/{A}", headers=origin)) == (403, "foreign_origin")


def test_a_read_after_a_position_sees_that_write(stock: ApiWithoutKafka):
    last = f"{stock.stored[2].partition}:{stock.stored[2].offset}"
    answer = stock.ask(f"/inventory/{A}?after={last}")
    assert answer.status_code == 200
    beyond = f"{stock.stored[2].partition}:{stock.next[stock.stored[2].partition]}"
    assert problem(stock.ask(f"/inventory/{A}?after={beyond}&timeout=0")) == (400, "beyond_the_end")


def test_a_read_waits_for_a_position_that_is_not_there_yet(own_stock: ApiWithoutKafka):
    """The event is in the store, the replica does not have it yet."""
    partition = own_stock.stored[0].partition
    position = f"{partition}:{own_stock.next[partition]}"

    async def write_while_reading() -> Any:
        async with own_stock.client() as client, own_stock.waiters.running():
            own_stock.next[partition] += 1
            early = await client.get(f"/inventory/{A}?after={position}&timeout=0.01")
            waiting = asyncio.ensure_future(client.get(f"/inventory/{A}?after={position}&timeout=20"))
            await asyncio.sleep(0)
            own_stock.next[partition] -= 1
            own_stock.put(BookBorrowed(A, "ann", AT + 3000, AT))
            return early, await waiting

    early, answer = asyncio.run(write_while_reading())
    assert problem(early) == (503, "not_there_yet")
    assert early.headers["retry-after"] == "1"
    assert answer.json()["available"] == 8
    assert position in answer.headers["inventory-position"].split(",")


def test_a_replica_that_never_caught_up_answers_503(own_stock: ApiWithoutKafka):
    halfway = Progress((0,) * PARTITIONS, (0,) * PARTITIONS, (1,) * PARTITIONS, (False,) * PARTITIONS)
    with own_stock.replica.batch(halfway):
        pass
    for path in ("/inventory", f"/inventory/{A}", f"/inventory/{A}/history", "/loans", "/stats", "/changes"):
        answer = own_stock.ask(path)
        assert problem(answer) == (503, "not_ready")
        assert answer.headers["retry-after"] == "1"
    assert own_stock.ask("/readyz").status_code == 503
    assert own_stock.ask("/healthz").json() == {"status": "ok"}


def test_a_replica_that_lags_answers_and_reports_its_position(own_stock: ApiWithoutKafka):
    before = own_stock.replica.progress
    own_stock.replica.progress = Progress(before.rows, before.history, before.table, before.settled)
    own_stock.follower.trouble = "Kafka does not answer"
    ready = own_stock.ask("/readyz")
    assert ready.status_code == 503
    assert ready.json()["position"] == ready.headers["inventory-position"] == str(before)
    assert ready.json()["trouble"] == "Kafka does not answer"
    assert own_stock.ask(f"/inventory/{A}").status_code == 200


def test_the_docs_page_loads_nothing_from_elsewhere(stock: ApiWithoutKafka):
    answer = stock.ask("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for path, item in stock.ask("/openapi.json").json()["paths"].items():
        assert all(f"{method.upper()} {path}</h2>" in answer.text for method in item)
    assert "<script" not in answer.text
    assert "http:" not in answer.text
    assert "https:" not in answer.text
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
