"""What all reads have in common, however they are asked: positions, and what is documented of them."""

from pathlib import Path

import pytest

from schemas.events import BookAdded, BookBorrowed
from tests.support.query_api.api_without_kafka import ApiWithoutKafka
from tests.support.query_api.stocked_names import StockedNames

A = "9781593275846"
AT = 1714564800123
BOB = f"p~{'b' * 16}"
READS = {
    "/inventory": ["/inventory?", "/inventory?q=eli&", "/inventory?at=2024-05-01T12:00:00.123Z&"],
    "/inventory/{isbn}": [f"/inventory/{A}?", f"/inventory/{A}?version=1&", "/inventory/978-1593275846?"],
    "/inventory/{isbn}/history": [f"/inventory/{A}/history?"],
    "/loans": ["/loans?", "/loans?user_id=ann&"],
    "/events": ["/events?", "/events?sort=time&type=BookBorrowed&"],
    "/patrons/{token}": [f"/patrons/{BOB}?"],
    "/stats": ["/stats?"],
    "/changes": ["/changes?", "/changes?since=start&", "/changes?from=2024-05-01T12:00:00Z&"],
    "/diff": ["/diff?", f"/diff?isbn={A}&"],
}


@pytest.fixture
def stock(tmp_path: Path) -> ApiWithoutKafka:
    return ApiWithoutKafka(
        tmp_path,
        [BookAdded(A, "Elixir in Action", "Saša Jurić", 10, AT), BookBorrowed(A, "ann", AT, AT + 99_000)],
        StockedNames(bob=BOB),
    )


def test_every_read_route_accepts_a_position(stock: ApiWithoutKafka):
    paths = stock.ask("/openapi.json").json()["paths"]
    names = {
        path: {p["name"] for p in item["get"].get("parameters", ())}
        for path, item in paths.items()
        if "get" in item
    }
    assert {path for path, found in names.items() if "after" in found} == READS.keys()


@pytest.mark.parametrize("path", [path for paths in READS.values() for path in paths])
def test_a_read_waits_for_the_requested_position(stock: ApiWithoutKafka, path: str):
    partition = stock.stored[0].partition
    there, missing = stock.next[partition] - 1, stock.next[partition]
    # It is in the store, and not in the replica
    stock.next[partition] += 1
    # HEAD, since some of the answers to GET don't end
    assert stock.ask(f"{path}after={partition}:{there}", "HEAD").status_code == 200
    early = stock.ask(f"{path}after={partition}:{missing}&timeout=0.01", "HEAD")
    assert early.status_code == 503
    assert early.headers["retry-after"] == "1"


def test_reads_do_not_query_kafka_while_it_is_unavailable(
    stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch
):
    """Each question would hold a thread, which searches need, until it times out."""
    asked: list[int] = []

    def high_watermark(partition: int, timeout: float) -> int:
        asked.append(partition)
        return 0

    monkeypatch.setattr(stock.source, "high_watermark", high_watermark)
    partition = stock.stored[0].partition
    missing = f"/stats?after={partition}:{stock.next[partition]}&timeout=0.01"
    assert stock.ask(missing).status_code == 400
    stock.follower.trouble = "Kafka does not answer"
    assert stock.ask(missing).status_code == 503
    assert asked == [partition]


def test_a_position_that_a_new_leader_does_not_know_yet_is_not_beyond_the_end(
    stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch
):
    """After a change of the leader, Kafka may say for a moment that acknowledged events are not there."""
    partition = stock.stored[0].partition
    ends = iter([0, stock.next[partition] + 1])
    monkeypatch.setattr(stock.source, "high_watermark", lambda partition, timeout: next(ends))
    answer = stock.ask(f"/stats?after={partition}:{stock.next[partition]}&timeout=0.5")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_there_yet")
    assert next(ends, None) is None


def test_the_openapi_document_lists_the_headers_of_every_response(stock: ApiWithoutKafka):
    paths = stock.ask("/openapi.json").json()["paths"]
    for operation in (operation for item in paths.values() for operation in item.values()):
        responses = operation["responses"]
        assert responses.keys() >= {"200", "400", "403", "421"}, operation["operationId"]
        assert all(response["headers"]["Inventory-Position"]["required"] for response in responses.values())
    title = paths["/inventory/{isbn}"]["get"]["responses"]
    assert all(title[status]["headers"]["ETag"]["required"] for status in ("200", "304"))
