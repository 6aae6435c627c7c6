"""The routes' answers about loans."""

import json
from typing import Any

import pytest

from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.stock import A, B, stocked_api


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> ApiWithoutKafka:
    """Shared by the tests that only read: an application takes longer to build than to answer."""
    return stocked_api(tmp_path_factory.mktemp("api"))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, 1),
        ({"user_id": " user123 "}, 1),
        ({"user_id": "user12"}, 0),
        ({"user_id": "user123", "isbn": "978-1593275846", "overdue": True, "limit": 1}, 1),
        ({"isbn": B}, 0),
        ({"overdue": False}, 0),
    ],
)
def test_loans_are_searched_without_a_borrower_in_the_url(
    stock: ApiWithoutKafka, body: dict[str, Any], found: int
):
    answer = stock.ask("/loans/search", "POST", content=json.dumps(body).encode())
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert len(answer.json()["items"]) == found
    if found:
        assert answer.json() == stock.ask("/loans").json()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b'{"user": "a"}', "malformed"),
        (b"", "malformed"),
        (b'{"user_id": "a", "user_id": "b"}', "malformed"),
        (b'{"user_id": "a", "us\\u0065r_id": "b"}', "malformed"),
        (b'{"user_id": "\xff"}', "malformed"),
        (b"\xff\xfe{\0}\0", "malformed"),
        (b"[" * 950, "malformed"),
        (b"[" * 30_000, "malformed"),
        (b'{"user_id": ' + b"[" * 950 + b"]" * 950 + b"}", "malformed"),
        (b'{"user_id": ""}', "malformed"),
        (b'{"user_id": "a\\u200bb"}', "bad_user"),
        (b'{"isbn": "123"}', "bad_isbn"),
        (b'{"limit": 501}', "malformed"),
        (b'{"limit": "5"}', "malformed"),
        (b'{"limit": 5.5}', "malformed"),
        (b'{"overdue": "true"}', "malformed"),
        (b'{"overdue": 1}', "malformed"),
        (b'{"user_id": "a\\ud800"}', "malformed"),
        (b'{"cursor": "x"}', "bad_cursor"),
    ],
)
def test_a_bad_search_for_loans_is_a_problem(stock: ApiWithoutKafka, body: bytes, code: str):
    answer = stock.ask("/loans/search", "POST", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json; Charset=UTF8", 200),
        ("", 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_a_search_for_loans_is_json(stock: ApiWithoutKafka, media_type: str, status: int):
    answer = stock.ask("/loans/search", "POST", {"Content-Type": media_type}, b"{}")
    assert answer.status_code == status
    assert ("accept-post" in answer.headers) == (status == 415)


def test_the_loans_of_a_title_at_a_past_time_are_returned(stock: ApiWithoutKafka):
    (loan,) = stock.ask(f"/loans?isbn={A}&at=2024-05-01T12:00:01.123Z").json()["items"]
    assert (loan["user_id"], loan["overdue"]) == ("user123", False)
    for query in (
        "at=2024-05-01T12:00:01.122Z",
        "at=2020-01-01T00:00:00Z",
        "at=2024-05-02T12:00:00Z&user_id=ann",
    ):
        assert stock.ask(f"/loans?isbn={A}&{query}").json()["items"] == [], query
    (late,) = stock.ask(f"/loans?isbn={A}&at=2024-05-02T12:00:00Z&overdue=true").json()["items"]
    assert late == {**loan, "overdue": True}
