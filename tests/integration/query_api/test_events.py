"""Events and lag as a query API reads them from a real Kafka."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from eventstore.partitions import partition_of
from eventstore.topics import events_topic
from foundation.kafka_clients import reading_config
from foundation.settings import Settings
from query_api.following.source import Source
from schemas.codec import encode
from schemas.events import BookAdded, BookBorrowed, CopiesAdded
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.loan_traffic import NUMBERS, A, running_api, store_writer
from tests.support.query_api.store_writer import StoreWriter
from tests.support.waiting import eventually

AGO_MS = 60_000
B = NUMBERS[0]


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def writer(settings: Settings) -> StoreWriter:
    return store_writer(settings)


@pytest.fixture
def api(settings: Settings, writer: StoreWriter) -> Iterator[ApiProcess]:
    with running_api(settings) as started:
        yield started


def listed(api: ApiProcess, query: str) -> list[str]:
    """The positions on all pages."""
    found, url = [], f"/events?{query}"
    while url:
        answer = api.client.get(url)
        assert answer.status_code == 200, answer.text
        found += [item["position"] for item in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url", "")
    return found


def test_events_are_listed_both_ways_and_aborted_ones_never(writer: StoreWriter, api: ApiProcess):
    at = now_ms()
    writer.commit(*(BookAdded(isbn, "T", "A", 1, at + n) for n, isbn in enumerate(NUMBERS[:10])))
    writer.abort(CopiesAdded(B, 99, at + 11))
    (damaged,) = writer.append_raw([(B, b"\0\0\0\0\xff", "Newer", at + 12)])
    writer.project()
    (last,) = writer.commit(CopiesAdded(NUMBERS[1], 1, at + 13))
    assert api.client.get(f"/stats?after={last}&timeout=30").status_code == 200
    oldest_first = listed(api, "sort=time&limit=3")
    assert oldest_first[-2:] == [str(damaged), str(last)]
    assert oldest_first == [f"{p}:{offset}" for p, offset, *_ in sorted(writer.log, key=_time_of(writer, at))]
    assert listed(api, "sort=-time&limit=3") == oldest_first[::-1]
    assert listed(api, "type=unknown") == [str(damaged)]
    held = api.client.get(f"/events?isbn={B}&limit=1").json()["items"][0]
    assert (held["position"], held["data"]) == (str(damaged), {})
    assert "255 is unknown here" in held["error"]


def _time_of(writer: StoreWriter, at: int) -> Any:
    """The order in which the test writes: by title, then the two later events."""
    order = {isbn: n for n, isbn in enumerate(NUMBERS)}
    return lambda entry: (entry[3], order[entry[2]])


def test_one_event_is_read_whole_and_other_offsets_are_not_found(writer: StoreWriter, api: ApiProcess):
    event = BookAdded(A, "Elixir", "Jurić", 2, now_ms())
    (added,) = writer.commit(event)
    writer.abort(CopiesAdded(A, 99, now_ms()))
    assert api.client.get(f"/stats?after={added}&timeout=30").status_code == 200
    whole = api.client.get(f"/events/{added.partition}/{added.offset}")
    assert whole.status_code == 200, whole.text
    told = whole.json()
    assert (told["value"], told["key"], told.get("error")) == (
        encode(event).hex(), f"{A}/1", None,
    )  # fmt: skip
    assert {"name": "ce_type", "value": "library.inventory.BookAdded"} in told["headers"]
    # A marker, an aborted event, the end, and far behind it
    for offset in (added.offset + 1, added.offset + 2, added.offset + 4, added.offset + 4_000):
        assert api.client.get(f"/events/{added.partition}/{offset}").status_code == 404, offset


def test_a_stopped_group_is_told_from_one_that_is_behind(
    settings: Settings, writer: StoreWriter, api: ApiProcess
):
    home = partition_of(A, settings.partitions)
    writer.commit(BookAdded(A, "T", "A", 2, now_ms() - AGO_MS))
    (second,) = writer.commit(BookBorrowed(A, "ann", now_ms() - AGO_MS, now_ms()))
    readers = f"{settings.name}-readers"
    consumer = Consumer(reading_config(settings) | {"group.id": readers})
    try:
        place = TopicPartition(events_topic(settings), second.partition, second.offset)
        consumer.commit(offsets=[place], asynchronous=False)
        group = eventually(lambda: with_health(api, readers, "stopped"))
        assert group["broken"]
        assert group["lag_seconds"] >= AGO_MS / 1000
        assert [part["partition"] for part in group["partitions"] if part["lag_seconds"]] == [home]
        consumer.subscribe([events_topic(settings)])
        eventually(lambda: consumer.poll(0.1) is None and bool(consumer.assignment()))
        group = eventually(lambda: with_health(api, readers, "behind"))
        assert len(group["members"]) == 1
        place.offset += 1
        consumer.commit(offsets=[place], asynchronous=False)
        # What is left is the marker of a transaction
        group = eventually(lambda: with_health(api, readers, "caught_up"))
        assert (group["lag"], group["lag_seconds"]) == (1, 0.0)
    finally:
        consumer.close()


def with_health(api: ApiProcess, name: str, health: str) -> Any:
    """The group once it is so, else None."""
    answer = api.client.get("/operations")
    assert answer.status_code == 200, answer.text
    (group,) = [group for group in answer.json()["groups"] if group["name"] == name] or [None]
    return group if group is not None and group["health"] == health else None


def test_times_are_read_from_kafka_for_partitions_with_events_only(settings: Settings, writer: StoreWriter):
    at = now_ms() - AGO_MS
    (added,) = writer.append(BookAdded(A, "T", "A", 2, at))
    every = dict.fromkeys(range(settings.partitions), 0)
    found = Source(settings).times(every, 30.0)
    assert found == {p: at if p == added.partition else None for p in every}
    assert Source(settings).times({added.partition: added.offset + 1}, 30.0) == {added.partition: None}
