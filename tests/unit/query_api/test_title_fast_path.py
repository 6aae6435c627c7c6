"""The answers that are kept: as fresh as those that are read, whatever changes and however often."""

import random
from pathlib import Path

import pytest

from schemas.events import BookAdded, BookBorrowed, BookRemoved, BookReturned, Event
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.loan_traffic import number

AT = 1714564800123
TITLES = [number(n) for n in range(6)]


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
    monkeypatch.setattr("query_api.http.current_titles.MOST_KEPT", kept)
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
