"""The query API as a process: killed, without Kafka, several at once."""

import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from foundation.kafka_clients import client_config
from foundation.settings import Settings
from schemas.events import BookAdded, BookBorrowed
from schemas.topics import ensure_topics
from tests.support.brokers import embedded_broker
from tests.support.embedded_kafka import Kafka
from tests.support.query_api.api_process import ApiProcess
from tests.support.query_api.loan_traffic import (
    ADDED,
    AT,
    NUMBERS,
    A,
    next_loan_event,
    running_api,
    store_writer,
)
from tests.support.query_api.store_writer import StoreWriter
from tests.support.waiting import eventually


def everything(api: ApiProcess) -> tuple[dict[str, Any], dict[str, list[int]], int]:
    """All titles, the versions in each history, the number of events."""
    titles = {item["isbn"]: item for item in api.client.get("/inventory?limit=500").json()["items"]}
    histories = {isbn: api.client.get(f"/inventory/{isbn}/history?limit=500").json() for isbn in titles}
    versions = {isbn: [item["version"] for item in history["items"]] for isbn, history in histories.items()}
    return titles, versions, api.client.get("/stats").json()["events"]


def agrees(api: ApiProcess, writer: StoreWriter) -> bool:
    titles, versions, events = everything(api)
    assert events == len(writer.log)
    assert {isbn: (t["version"], t["available"]) for isbn, t in titles.items()} == {
        isbn: (row.version, row.available) for isbn, row in writer.rows.items()
    }
    assert versions == {isbn: list(range(1, row.version + 1)) for isbn, row in writer.rows.items()}
    return True


@pytest.mark.slow
def test_a_query_api_killed_repeatedly_neither_loses_nor_repeats_anything(settings: Settings):
    writer = store_writer(settings)
    writer.commit(*ADDED)
    killed_enough = threading.Event()

    def write() -> None:
        # For as long as the kills take: how many events fit in between depends on the machine
        for n in itertools.count():
            writer.append(next_loan_event(writer, n))
            writer.project()
            if killed_enough.is_set():
                return

    def has_written(number: int) -> bool:
        return writing.done() or len(writer.log) >= number

    with running_api(settings) as api, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(4):
                eventually(partial(has_written, len(writer.log) + 20))
                api.kill()
                api.start(ready=False)
        finally:
            killed_enough.set()
        writing.result(60)
        eventually(api.is_ready)
        eventually(lambda: agrees(api, writer))


def test_a_replica_damaged_in_use_is_rebuilt(settings: Settings):
    writer = store_writer(settings)
    writer.commit(*ADDED)
    with running_api(settings) as api:
        for file in Path(settings.data_dir).glob("api/1/replica.sqlite*"):
            if not file.name.endswith("-shm"):
                with file.open("r+b") as open_file:
                    open_file.write(os.urandom(file.stat().st_size))
        early = api.client.get(f"/inventory/{NUMBERS[0]}")
        assert (early.status_code, early.json()["code"]) == (503, "not_ready")
        eventually(lambda: api.answers("/inventory") == 200)
        assert agrees(api, writer)
        assert "it is damaged" in api.log.read_text("utf-8")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that may be stopped."""
    with embedded_broker(tmp_path_factory.mktemp("own")) as kafka:
        yield kafka


@pytest.mark.slow
def test_a_query_api_without_kafka_answers_from_its_replica_and_recovers(own: Kafka, tmp_path: Path):
    settings = Settings(kafka=own.bootstrap, name="away", data_dir=str(tmp_path))
    ensure_topics(AdminClient(client_config(settings)), settings)
    writer = store_writer(settings)
    (first,) = writer.commit(BookAdded(A, "T", "A", 2, AT))
    with running_api(settings) as api:
        own.kill()
        eventually(lambda: api.client.get("/readyz").json()["trouble"])
        assert api.answers("/readyz") == 200
        answers_without_kafka(api, first)
        api.kill()
        # Started without Kafka it can't know whether it is up to date, but it has what it had
        api.start(ready=False)
        assert api.answers("/readyz") == 503
        answers_without_kafka(api, first)
        own.process = Kafka(own.node, os.environ).process
        (second,) = writer.commit(BookBorrowed(A, "ann", AT, AT))
        assert api.client.get(f"/inventory/{A}?after={second}&timeout=30").json()["available"] == 1
        eventually(api.is_ready)
        eventually(lambda: api.client.get("/readyz").json()["trouble"] is None)


def answers_without_kafka(api: ApiProcess, first: Any) -> None:
    answer = api.client.get(f"/inventory/{A}")
    assert answer.json()["available"] == 2
    assert api.client.get("/readyz").json()["position"] == answer.headers["inventory-position"]
    assert api.client.get(f"/stats?after={first}").status_code == 200
    ahead = api.client.get(f"/stats?after={first.partition}:{first.offset + 9}&timeout=0.3")
    assert (ahead.status_code, ahead.json()["code"]) == (503, "not_there_yet")
    assert "library_group_lag{" not in api.client.get("/metrics").text


def test_several_query_apis_share_a_data_directory(settings: Settings):
    writer = store_writer(settings)
    writer.commit(*ADDED)
    with running_api(settings) as one, running_api(settings) as two:
        last = writer.commit(next_loan_event(writer, 0))[-1]
        answers = [api.client.get(f"/inventory/{NUMBERS[0]}?after={last}") for api in (one, two)]
        assert answers[0].content == answers[1].content
        assert answers[0].headers["etag"] == answers[1].headers["etag"]
