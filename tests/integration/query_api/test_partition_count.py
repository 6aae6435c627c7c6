"""The number of partitions changes while the query API runs: it stops reading and reports that."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions
from msgspec.structs import replace

from eventstore.partitions import partition_of
from eventstore.topics import Identity, events_topic
from foundation.kafka_clients import client_config
from foundation.settings import Settings
from query_api.following import follower as follower_module
from query_api.following.source import Source
from schemas.events import BookAdded, BookBorrowed
from schemas.topics import changelog_topic
from tests.support.query_api.loan_traffic import AT, A, running_api, store_writer
from tests.support.query_api.running_follower import following, progress, query, ready
from tests.support.waiting import eventually


def add_partitions(settings: Settings, topic: str) -> None:
    request = NewPartitions(topic, settings.partitions + 2)
    # Named: the request ends with its client
    admin = AdminClient(client_config(settings))
    admin.create_partitions([request])[topic].result()


@pytest.mark.parametrize("topic_of", [events_topic, changelog_topic])
def test_a_follower_stops_when_a_topic_gets_more_partitions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, topic_of: Callable[[Settings], str]
):
    checks: list[float] = []
    identify = Source.identify

    def count(source: Source, timeout: float) -> Identity:
        checks.append(timeout)
        return identify(source, timeout)

    monkeypatch.setattr(Source, "identify", count)
    monkeypatch.setattr(follower_module, "CHECK_INTERVAL_S", 0.2)
    writer = store_writer(settings)
    writer.commit(BookAdded(A, "T", "A", 2, AT))
    with following(settings) as follower:
        eventually(lambda: ready(follower))
        add_partitions(settings, topic_of(settings))
        eventually(lambda: not ready(follower))
        eventually(lambda: not follower._following)
        assert f"{settings.partitions + 2} partitions" in str(follower.trouble)
        before = progress(follower)
        writer.commit(BookBorrowed(A, "ann", AT, AT))
        done = len(checks)
        eventually(lambda: len(checks) > done + 5)
        assert progress(follower) == before
        assert query(follower, "SELECT version, available FROM titles") == [(1, 2)]
        assert f"{settings.partitions + 2} partitions" in str(follower.trouble)


def test_a_query_api_is_not_ready_and_marks_its_answers_as_stale(settings: Settings):
    store_writer(settings).commit(BookAdded(A, "T", "A", 2, AT))
    with running_api(settings) as api:
        assert "inventory-stale" not in api.client.get(f"/inventory/{A}").headers
        add_partitions(settings, events_topic(settings))
        eventually(lambda: api.answers("/readyz") == 503)
        ready = api.client.get("/readyz").json()
        assert not ready["ready"]
        assert f"{settings.partitions + 2} partitions" in ready["trouble"]
        for path in (f"/inventory/{A}", f"/inventory/{A}?version=1", "/inventory", "/loans", "/stats"):
            answer = api.client.get(path)
            assert (answer.status_code, answer.headers.get("inventory-stale")) == (200, ready["trouble"])
        assert "library_api_ready 0.0" in api.client.get("/metrics").text


def test_a_replica_with_another_number_of_partitions_is_rebuilt(settings: Settings):
    # Where both numbers put it: otherwise the store would be refused
    at_home = next(
        isbn
        for isbn in map("978{:010d}".format, range(1000))
        if partition_of(isbn, settings.partitions) == partition_of(isbn, settings.partitions + 2)
    )
    store_writer(settings).commit(BookAdded(at_home, "T", "A", 2, AT))
    with following(settings) as follower:
        eventually(lambda: ready(follower))
    for topic in (events_topic(settings), changelog_topic(settings)):
        add_partitions(settings, topic)
    more = replace(settings, partitions=settings.partitions + 2)
    with following(more) as follower:
        eventually(lambda: follower.replica is not None and len(progress(follower).rows) == more.partitions)
