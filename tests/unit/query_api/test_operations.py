"""``GET /operations`` and the metrics of lag: what is behind, what is broken, and since when."""

import re
from pathlib import Path
from typing import Any

import pytest

from query_api.http import operations as module
from query_api.replica.progress import Progress
from schemas.events import BookAdded, CopiesAdded
from tests.support.query_api.api_without_kafka import PARTITIONS, ApiWithoutKafka

A, B = "9781593275846", "9781680502992"
AT = 1714564800123


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiWithoutKafka:
    """Two events, 10 s apart, and a clock 60 s after the first. Each request takes a sample."""
    monkeypatch.setattr(module, "INTERVAL_S", 0.0)
    stock = ApiWithoutKafka(tmp_path, [BookAdded(A, "T", "A", 1, AT), CopiesAdded(A, 1, AT + 10_000)])
    stock.operations.clock = lambda: (AT + 60_000) / 1000
    return stock


def told(stock: ApiWithoutKafka) -> Any:
    answer = stock.ask("/operations")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def test_the_lag_in_seconds_is_the_age_of_the_oldest_event_that_is_not_handled(stock: ApiWithoutKafka):
    home = stock.stored[0].partition
    (group,) = told(stock)["groups"]
    assert (group["lag"], group["lag_seconds"], group["health"]) == (2, 60.0, "behind")
    assert group["partitions"][home] == {"partition": home, "lag": 2, "lag_seconds": 60.0}
    stock.groups.committed[home] = 1
    (group,) = told(stock)["groups"]
    assert (group["lag"], group["lag_seconds"]) == (1, 50.0)
    stock.groups.committed[home] = 2
    (group,) = told(stock)["groups"]
    assert (group["lag"], group["lag_seconds"], group["health"]) == (0, 0.0, "caught_up")


def test_the_marker_of_a_transaction_is_no_event_to_handle(stock: ApiWithoutKafka):
    home = stock.stored[0].partition
    stock.groups.committed[home] = 2
    stock.next[home] += 1
    ends = tuple(stock.next)
    stock.replica.progress = Progress(ends, ends, ends, (True,) * PARTITIONS, ready=True)
    (group,) = told(stock)["groups"]
    assert (group["lag"], group["lag_seconds"], group["health"]) == (1, 0.0, "caught_up")


def test_a_stopped_group_is_broken_and_has_an_advice(stock: ApiWithoutKafka):
    stock.groups.members = []
    (group,) = told(stock)["groups"]
    assert (group["health"], group["broken"]) == ("stopped", True)
    assert "start its program" in group["advice"]
    stock.groups.committed[stock.stored[0].partition] = 2
    (group,) = told(stock)["groups"]
    assert (group["health"], group["broken"], group["advice"]) == ("caught_up", False, "")


def test_the_age_of_an_event_that_the_replica_lacks_is_asked_of_kafka(
    stock: ApiWithoutKafka, monkeypatch: pytest.MonkeyPatch
):
    home = stock.stored[0].partition
    stock.groups.committed[home] = 2
    stock.next[home] += 1
    monkeypatch.setattr(stock.source, "times", lambda offsets, timeout: {home: AT + 20_000})
    (group,) = told(stock)["groups"]
    assert (group["lag"], group["lag_seconds"]) == (1, 40.0)
    monkeypatch.setattr(stock.source, "times", lambda offsets, timeout: {})
    (group,) = told(stock)["groups"]
    assert (group["lag"], group["lag_seconds"], group["health"]) == (1, None, "behind")


def test_a_replay_has_its_progress(stock: ApiWithoutKafka):
    home = stock.stored[0].partition
    stock.groups.committed[home] = 2
    told(stock)
    stock.groups.committed[home] = 0
    (group,) = told(stock)["groups"]
    assert (group["health"], group["replay"]) == ("replaying", {"done": 0, "total": 2})
    stock.groups.committed[home] = 1
    (group,) = told(stock)["groups"]
    assert group["replay"] == {"done": 1, "total": 2}


def test_held_titles_are_listed_with_reason_and_command(stock: ApiWithoutKafka):
    (position,) = stock.put((B, b"\0\0\0\0\xff", AT + 20_000))
    held = told(stock)["held"]
    assert (held["count"], held["retry"]) == (1, "library held retry")
    (title,) = held["titles"]
    assert (title["isbn"], title["position"], title["version"]) == (B, position, 1)
    assert "255 is unknown here" in title["reason"]
    assert title["since"] == "2024-05-01T12:00:20.123Z"


def test_the_samples_before_are_returned_too(stock: ApiWithoutKafka):
    for _ in range(3):
        report = told(stock)
    assert [sample["lag"] for sample in report["history"]] == [{"readers": 2}] * 3


def test_the_metrics_have_the_lag_in_seconds_and_the_members(stock: ApiWithoutKafka):
    home = stock.stored[0].partition
    text = stock.ask("/metrics").text
    assert f'library_group_lag_seconds{{group="readers",partition="{home}"}} 60.0' in text
    assert 'library_group_members{group="readers"} 1.0' in text
    assert re.search(rf'^library_api_lag_seconds{{partition="{home}"}}', text, re.MULTILINE) is None


def test_a_query_api_without_a_replica_reports_that_it_is_not_ready(stock: ApiWithoutKafka):
    stock.follower.file.replica = None
    report = told(stock)
    assert (report["api"]["ready"], report["held"]["count"]) == (False, 0)
    assert report["groups"][0]["lag"] == 2


def test_gateways_are_listed_with_their_partitions(stock: ApiWithoutKafka):
    stock.groups.owned = {"http://127.0.0.1:9": [0, 3]}
    report = told(stock)
    (gateway,) = report["gateways"]
    assert (gateway["url"], gateway["ready"], gateway["partitions"]) == ("http://127.0.0.1:9", False, [0, 3])
    assert "http://127.0.0.1:9" in gateway["trouble"]
    assert report["other_apis"] == []
