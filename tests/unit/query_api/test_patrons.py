"""Answers of a store whose events hold tokens: names on the outside, and none once they are forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.events import BookAdded, BookBorrowed, BookReturned
from tests.support.metrics import read_metrics
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.stocked_names import StockedNames

A = "9781593275846"
ANN, BOB, NEW = (f"p~{letter * 16}" for letter in "abn")
AT = 1714564800123
EVENTS = (
    BookAdded(A, "Elixir in Action", "Saša Jurić", 10, AT),
    BookBorrowed(A, ANN, AT + 1000, AT + 99_000),
    BookBorrowed(A, BOB, AT + 2000, AT + 98_000),
    BookReturned(A, BOB, AT + 3000),
)


@pytest.fixture
def names() -> StockedNames:
    return StockedNames(ann=ANN, bob=BOB)


@pytest.fixture
def api(tmp_path: Path, names: StockedNames) -> ApiWithoutKafka:
    return ApiWithoutKafka(tmp_path, EVENTS, names)


def loans(api: ApiWithoutKafka, query: str = "") -> list[tuple[str | None, str]]:
    found = api.ask(f"/loans{query}").json()
    return [(loan["user_id"], loan["patron"]) for loan in found["items"]]


def searched(api: ApiWithoutKafka, **body: Any) -> Any:
    headers = {"content-type": "application/json"}
    return api.ask("/loans/search", "POST", headers, json.dumps(body).encode()).json()["items"]


def borrowers(items: list[Any]) -> list[tuple[str | None, str]]:
    return [(i["data"]["user_id"], i["data"]["patron"]) for i in items if "user_id" in i["data"]]


def test_loans_have_the_name_and_the_token(api: ApiWithoutKafka):
    assert loans(api) == [("ann", ANN)]
    assert loans(api, "?user_id=ann") == loans(api, f"?patron={ANN}") == [("ann", ANN)]
    assert [loan["user_id"] for loan in searched(api, user_id="ann")] == ["ann"]
    assert [loan["user_id"] for loan in searched(api, patron=ANN)] == ["ann"]


def test_an_unknown_name_has_no_loans(api: ApiWithoutKafka):
    for nobody in ("?user_id=nobody", f"?user_id={ANN}", f"?user_id=bob&patron={ANN}", f"?patron={NEW}"):
        assert loans(api, nobody) == []
    assert searched(api, user_id="nobody") == []


def test_past_loans_history_and_events_have_the_names(api: ApiWithoutKafka):
    assert loans(api, f"?isbn={A}&at=2024-05-01T12:00:02.500Z") == [("bob", BOB), ("ann", ANN)]
    expected = [("ann", ANN), ("bob", BOB), ("bob", BOB)]
    assert borrowers(api.ask(f"/inventory/{A}/history").json()["items"]) == expected
    assert borrowers(api.ask("/events?sort=time").json()["items"]) == expected
    position = api.ask("/events?sort=time").json()["items"][1]["position"].replace(":", "/")
    assert borrowers([api.ask(f"/events/{position}").json()]) == [("ann", ANN)]


def test_a_forgotten_borrower_has_no_name_in_any_answer(api: ApiWithoutKafka, names: StockedNames):
    before = api.ask(f"/inventory/{A}/history").text
    assert "bob" in before
    names.forget(BOB, AT + 9000)
    asked = [f"/inventory/{A}/history", "/events", f"/loans?isbn={A}&at=2024-05-01T12:00:02.500Z", "/loans"]
    position = json.loads(before)["items"][2]["position"].replace(":", "/")
    for path in [*asked, f"/events/{position}"]:
        answer = api.ask(path)
        assert "bob" not in answer.text
        assert "no-store" in answer.headers["cache-control"]
    assert (None, BOB) in borrowers(api.ask(f"/inventory/{A}/history").json()["items"])
    gone = api.ask(f"/patrons/{BOB}")
    assert (gone.status_code, gone.json()["code"]) == (404, "forgotten")
    assert gone.json()["forgotten_at"] == "2024-05-01T12:00:09.123Z"
    assert names.reads == 0


def test_answers_that_anybody_may_store_hold_no_name(api: ApiWithoutKafka):
    for path in (f"/inventory/{A}", "/inventory", f"/inventory/{A}?version=3", "/stats"):
        answer = api.ask(path)
        assert "no-store" not in answer.headers["cache-control"]
        assert not {"ann", "bob"} & set(answer.text.replace('"', " ").split())


def test_a_patron_is_shown_by_token(api: ApiWithoutKafka):
    answer = api.ask(f"/patrons/{ANN}")
    assert answer.json() == {"patron": ANN, "user_id": "ann", "closing": False, "loans": 1}
    assert answer.headers["cache-control"] == "no-store"
    assert api.ask(f"/patrons/{NEW}").json()["code"] == "unknown_patron"
    assert api.ask("/patrons/ann").json()["code"] == "bad_patron"


def test_a_name_that_was_not_read_yet_is_waited_for(api: ApiWithoutKafka, names: StockedNames):
    names.unread = {NEW: "new"}
    api.put(BookBorrowed(A, NEW, AT + 4000, AT + 97_000))
    assert loans(api)[0] == ("new", NEW)
    names.unread = {f"p~{'z' * 16}": "zoe"}
    api.put(BookBorrowed(A, f"p~{'z' * 16}", AT + 5000, AT + 96_000))
    assert loans(api, "?user_id=zoe") == [("zoe", f"p~{'z' * 16}")]


def test_a_loan_is_not_shown_without_its_name_while_names_are_away(api: ApiWithoutKafka, names: StockedNames):
    names.away = True
    assert loans(api) == [("ann", ANN)]
    api.put(BookBorrowed(A, NEW, AT + 4000, AT + 97_000))
    answer = api.ask("/loans")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "1"


def test_a_token_without_a_name_makes_names_be_read_once(api: ApiWithoutKafka, names: StockedNames):
    api.put(BookBorrowed(A, NEW, AT + 4000, AT + 97_000))
    assert loans(api)[0] == loans(api)[0] == (None, NEW)
    assert names.reads == 1


def test_metrics_show_erased_names_that_are_still_in_the_log(api: ApiWithoutKafka, names: StockedNames):
    api.operations.clock = lambda: (AT + 90_000) / 1000
    assert "library_erasures_pending 0.0" in api.ask("/metrics").text
    names.forget(BOB, AT + 30_000)
    found = read_metrics(api.ask("/metrics").text)
    assert found["library_erasures_pending",] == 1
    assert found["library_erasure_oldest_seconds",] == pytest.approx(60)
    names.logged.clear()
    assert read_metrics(api.ask("/metrics").text)["library_erasure_oldest_seconds",] == 0


def test_a_store_without_names_stays_as_it_is(tmp_path: Path):
    api = ApiWithoutKafka(tmp_path, EVENTS)
    item = api.ask("/loans").json()["items"][0]
    assert item["user_id"] == ANN
    assert "patron" not in item
    assert api.ask(f"/patrons/{ANN}").json()["code"] == "no_names"
    history = api.ask(f"/inventory/{A}/history").json()["items"]
    assert "library_erasures_pending" not in api.ask("/metrics").text
    assert history[1]["data"] == {"user_id": ANN, "due_at": "2024-05-01T12:01:39.123Z"}
